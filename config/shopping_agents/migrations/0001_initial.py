import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.CreateModel(
            name="AgentFeedFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("built_at", models.DateTimeField()),
                ("fingerprint", models.CharField(max_length=200)),
                ("products", models.PositiveBigIntegerField(default=0)),
                ("variants", models.PositiveBigIntegerField(default=0)),
                ("size", models.PositiveBigIntegerField(default=0)),
                ("left_out", models.JSONField(default=dict)),
            ],
            options={
                "verbose_name": "product feed for shopping agents",
                "verbose_name_plural": "product feeds for shopping agents",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="shopping_agents_feed_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="AgentFeedSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "is_enabled",
                    models.BooleanField(
                        default=False,
                        help_text="Serves the product feed, the catalog queries and the discovery document to everyone.",
                        verbose_name="publish the catalog for shopping agents",
                    ),
                ),
                (
                    "includes_sold_out",
                    models.BooleanField(
                        default=True,
                        help_text="If included, they are marked as out of stock. Otherwise, they are not in the feed.",
                        verbose_name="include sold-out products",
                    ),
                ),
                (
                    "target_country",
                    models.CharField(
                        blank=True,
                        help_text="Two-letter code of the country that the prices are for, such as DE; OpenAI needs it.",
                        max_length=2,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{2}$", "Use a two-letter ISO 3166-1 code in capitals, such as DE."
                            )
                        ],
                        verbose_name="target country",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
            ],
            options={
                "verbose_name": "shopping agent settings",
                "verbose_name_plural": "shopping agent settings",
                "default_permissions": ("view", "change"),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="shopping_agents_settings_once")
                ],
            },
        ),
    ]
