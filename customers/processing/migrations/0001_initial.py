from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ProcessingTotal",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False, verbose_name="name")),
                ("value", models.PositiveBigIntegerField(default=0, verbose_name="value")),
            ],
            options={
                "verbose_name": "processing total",
                "verbose_name_plural": "processing totals",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ProcessingRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "running"), ("done", "done"), ("failed", "failed")],
                        default="running",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("started_at", models.DateTimeField(db_index=True, verbose_name="started at")),
                ("events", models.PositiveBigIntegerField(default=0, verbose_name="events")),
                ("batches", models.PositiveIntegerField(default=0, verbose_name="batches")),
                (
                    "counts",
                    models.JSONField(blank=True, default=dict, help_text="Results by type.", verbose_name="counts"),
                ),
                ("stage_seconds", models.JSONField(blank=True, default=dict, verbose_name="seconds per stage")),
                (
                    "waiting",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="Events that were waiting when the run started.",
                        verbose_name="waiting at start",
                    ),
                ),
                (
                    "oldest_seconds",
                    models.FloatField(
                        default=0,
                        help_text="Waiting time of the oldest event.",
                        verbose_name="longest wait in seconds",
                    ),
                ),
            ],
            options={
                "verbose_name": "processing run",
                "verbose_name_plural": "processing runs",
                "ordering": ["-started_at", "-id"],
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "running")), fields=["status"], name="processing_run_under_way"
                    )
                ],
            },
        ),
    ]
