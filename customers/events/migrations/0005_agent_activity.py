from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0004_sandbox")]

    operations = [
        migrations.CreateModel(
            name="AgentActivity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(verbose_name="day")),
                ("agent", models.CharField(max_length=50, verbose_name="agent")),
                ("evidence", models.CharField(max_length=20, verbose_name="evidence")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("page", "page views"),
                            ("view", "product views"),
                            ("search", "searches"),
                            ("cart", "products added to the cart"),
                            ("checkout", "checkouts started"),
                            ("order", "orders"),
                            ("feed", "feed fetched"),
                            ("catalog", "catalog queries"),
                            ("other", "other events"),
                        ],
                        max_length=20,
                        verbose_name="action",
                    ),
                ),
                ("product_id", models.CharField(blank=True, max_length=200, verbose_name="product ID")),
                ("page", models.CharField(blank=True, max_length=200, verbose_name="page")),
                ("events", models.PositiveBigIntegerField(default=0, verbose_name="events")),
                ("last_at", models.DateTimeField(verbose_name="last activity at")),
            ],
            options={
                "verbose_name": "activity of an agent",
                "verbose_name_plural": "activity of agents",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "agent", "action", "product_id", "page", "evidence"), name="events_agent_day"
                    )
                ],
            },
        ),
    ]
