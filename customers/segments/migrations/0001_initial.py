import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("identity", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(max_length=100, unique=True, verbose_name="key")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("description", models.TextField(blank=True, verbose_name="description")),
                (
                    "kind",
                    models.CharField(
                        choices=[("dynamic", "dynamic"), ("static", "static")],
                        default="dynamic",
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                (
                    "condition",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="A tree of all, any, not and comparisons.",
                        verbose_name="condition",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("size", models.PositiveBigIntegerField(blank=True, editable=False, null=True, verbose_name="size")),
                (
                    "last_evaluated_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last evaluated at"),
                ),
                (
                    "duration_ms",
                    models.FloatField(blank=True, editable=False, null=True, verbose_name="duration in ms"),
                ),
                ("error", models.TextField(blank=True, editable=False, verbose_name="error")),
            ],
            options={
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
                "ordering": ["key"],
            },
        ),
        migrations.CreateModel(
            name="SegmentMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("added_at", models.DateTimeField(auto_now_add=True, verbose_name="added at")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="static_segments",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="segments.segment",
                        verbose_name="segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "segment member",
                "verbose_name_plural": "segment members",
                "constraints": [models.UniqueConstraint(fields=("segment", "customer"), name="segments_member_unique")],
            },
        ),
    ]
