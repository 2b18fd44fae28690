import django.db.models.deletion
from django.db import migrations, models

import recommendations.campaigns.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("segments", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Campaign",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(max_length=100, unique=True, verbose_name="key")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("description", models.TextField(blank=True, verbose_name="description")),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("export", "CSV export"),
                            ("email", "email"),
                            ("webhook", "webhook"),
                            ("on_site", "on-site offer"),
                        ],
                        default="export",
                        max_length=20,
                        verbose_name="channel",
                    ),
                ),
                (
                    "holdout_share",
                    models.DecimalField(
                        decimal_places=4,
                        default=0.1,
                        help_text="0.1 puts one customer in ten in the holdout group.",
                        max_digits=5,
                        verbose_name="holdout share",
                    ),
                ),
                (
                    "required_consent",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("analytics", "analytics"),
                            ("personalisation", "personalization"),
                            ("email", "email"),
                            ("sms", "SMS"),
                            ("push", "push"),
                            ("sharing", "sharing"),
                        ],
                        help_text="Only customers who granted this consent are in the audience. The email channel always requires consent to email. Other channels require consent only if you select one here.",
                        max_length=20,
                        verbose_name="required consent",
                    ),
                ),
                (
                    "salt",
                    models.CharField(
                        default=recommendations.campaigns.models.make_salt,
                        editable=False,
                        help_text="Determines the holdout group; never changes.",
                        max_length=32,
                        verbose_name="salt",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("launched", "launched"),
                            ("paused", "paused"),
                            ("ended", "ended"),
                        ],
                        default="draft",
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="campaigns",
                        to="segments.segment",
                        verbose_name="segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "campaign",
                "verbose_name_plural": "campaigns",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="AudienceExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("exported_at", models.DateTimeField(verbose_name="exported at")),
                ("exported_by", models.CharField(blank=True, max_length=150, verbose_name="exported by")),
                ("segment_size", models.PositiveBigIntegerField(verbose_name="segment size")),
                ("held_out", models.PositiveBigIntegerField(verbose_name="holdout group")),
                ("rows", models.PositiveBigIntegerField(verbose_name="rows")),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exports",
                        to="campaigns.campaign",
                        verbose_name="campaign",
                    ),
                ),
            ],
            options={
                "verbose_name": "audience export",
                "verbose_name_plural": "audience exports",
                "ordering": ["-exported_at", "-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(("holdout_share__gte", 0), ("holdout_share__lt", 1)),
                name="campaigns_holdout_share_range",
            ),
        ),
    ]
