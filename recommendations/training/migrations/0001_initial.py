import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ModelVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(max_length=100, unique=True, verbose_name="version")),
                ("scenario", models.CharField(default="for-you", max_length=50, verbose_name="scenario")),
                ("algorithm", models.CharField(max_length=50, verbose_name="algorithm")),
                ("parameters", models.JSONField(default=dict, verbose_name="parameters")),
                (
                    "as_of",
                    models.DateTimeField(
                        help_text="The model contains only events before this time.", verbose_name="as of"
                    ),
                ),
                ("data_from", models.DateTimeField(blank=True, null=True, verbose_name="data start")),
                ("interactions", models.PositiveBigIntegerField(default=0, verbose_name="interactions")),
                ("users", models.PositiveBigIntegerField(default=0, verbose_name="customers")),
                ("items", models.PositiveBigIntegerField(default=0, verbose_name="products")),
                ("data_fingerprint", models.CharField(max_length=64, verbose_name="data fingerprint")),
                (
                    "artifact",
                    models.CharField(
                        help_text="Folder inside the models directory.", max_length=500, verbose_name="artifact"
                    ),
                ),
                ("checksum", models.CharField(max_length=64, verbose_name="checksum")),
                ("metrics", models.JSONField(default=dict, verbose_name="metrics")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("candidate", "candidate"),
                            ("active", "active"),
                            ("retired", "retired"),
                            ("rejected", "rejected"),
                        ],
                        default="candidate",
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                (
                    "reasons",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Codes and values that explain the promotion or rejection.",
                        verbose_name="reasons",
                    ),
                ),
                (
                    "why",
                    models.TextField(
                        blank=True,
                        help_text="Comment of the user who promoted or rolled back the version.",
                        verbose_name="note",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("activated_at", models.DateTimeField(blank=True, null=True, verbose_name="activated at")),
                (
                    "refreshed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Counts and histories include events before this time.",
                        null=True,
                        verbose_name="refreshed at",
                    ),
                ),
                (
                    "refresh",
                    models.CharField(
                        blank=True,
                        help_text="Folder of the latest incremental update.",
                        max_length=500,
                        verbose_name="refresh",
                    ),
                ),
                ("refresh_checksum", models.CharField(blank=True, max_length=64, verbose_name="refresh checksum")),
            ],
            options={
                "verbose_name": "model version",
                "verbose_name_plural": "model versions",
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "active")),
                        fields=("scenario",),
                        name="training_one_active_a_scenario",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EvaluationRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("protocol", models.CharField(default="cut-in-time", max_length=50, verbose_name="protocol")),
                ("cut_at", models.DateTimeField(blank=True, null=True, verbose_name="split at")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("cancelled", "canceled"),
                        ],
                        default="running",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("step", models.CharField(blank=True, max_length=100, verbose_name="step")),
                ("percent", models.PositiveSmallIntegerField(default=0, verbose_name="percent complete")),
                (
                    "cancel_requested_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="cancel requested at"),
                ),
                (
                    "target",
                    models.CharField(
                        blank=True,
                        help_text="The event that recommendations are optimized for.",
                        max_length=20,
                        verbose_name="target",
                    ),
                ),
                ("primary_metric", models.CharField(default="ndcg@10", max_length=50, verbose_name="primary metric")),
                (
                    "figures",
                    models.JSONField(
                        default=dict, help_text="Algorithm → metric → value, low, high.", verbose_name="metrics"
                    ),
                ),
                (
                    "comparisons",
                    models.JSONField(
                        default=list, help_text="Paired differences on the same customers.", verbose_name="comparisons"
                    ),
                ),
                (
                    "tried",
                    models.JSONField(
                        default=list,
                        help_text="All trials of the parameter search on the validation period.",
                        verbose_name="parameter trials",
                    ),
                ),
                (
                    "left_out",
                    models.JSONField(
                        default=list,
                        help_text="Algorithms that are not in the model, with the reason.",
                        verbose_name="excluded",
                    ),
                ),
                (
                    "segments",
                    models.JSONField(
                        default=list,
                        help_text="Metrics per customer segment and for cold products.",
                        verbose_name="segments",
                    ),
                ),
                (
                    "ablation",
                    models.JSONField(
                        default=list,
                        help_text="Loss of the ensemble without each component.",
                        verbose_name="ablation",
                    ),
                ),
                (
                    "cold_start",
                    models.JSONField(
                        default=dict,
                        help_text="Metrics for products and customers that were new at the split: {“products”: …, “people”: …}.",
                        verbose_name="cold start",
                    ),
                ),
                (
                    "scenarios",
                    models.JSONField(
                        default=dict,
                        help_text="For each placement: weights, metrics, metrics of the fallback, status and reason.",
                        verbose_name="scenarios",
                    ),
                ),
                (
                    "interactions_by_kind",
                    models.JSONField(
                        default=dict, help_text="In total and before the split.", verbose_name="interactions by type"
                    ),
                ),
                (
                    "resources",
                    models.JSONField(
                        default=dict,
                        help_text="Training time, peak memory and latency of one recommendation.",
                        verbose_name="resources",
                    ),
                ),
                ("test_users", models.PositiveBigIntegerField(default=0, verbose_name="test customers")),
                (
                    "model_version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="evaluations",
                        to="training.modelversion",
                        verbose_name="model version",
                    ),
                ),
            ],
            options={
                "verbose_name": "evaluation run",
                "verbose_name_plural": "evaluation runs",
                "ordering": ["-started_at", "-id"],
            },
        ),
    ]
