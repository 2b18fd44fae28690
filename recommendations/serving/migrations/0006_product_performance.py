from django.db import migrations, models
from django.db.models import F


def count_lines_as_orders(apps, schema_editor):
    """Days that are closed are not counted again: their order lines stand in for orders."""
    apps.get_model("serving", "PerformanceDay").objects.filter(bought__gt=0).update(orders=F("bought"))


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0005_shop_queries"),
    ]

    operations = [
        migrations.AddField(
            model_name="performanceday",
            name="orders",
            field=models.PositiveBigIntegerField(db_default=0, default=0, verbose_name="orders"),
        ),
        migrations.RunPython(count_lines_as_orders, migrations.RunPython.noop),
        migrations.CreateModel(
            name="ProductPerformanceDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(verbose_name="day")),
                ("scenario", models.CharField(max_length=50, verbose_name="scenario")),
                ("product_id", models.CharField(max_length=200, verbose_name="product ID")),
                ("currency", models.CharField(blank=True, max_length=3, verbose_name="currency")),
                ("shown", models.PositiveBigIntegerField(default=0, verbose_name="shown")),
                ("clicked", models.PositiveBigIntegerField(default=0, verbose_name="clicked")),
                ("orders", models.PositiveBigIntegerField(default=0, verbose_name="orders")),
                ("revenue", models.DecimalField(decimal_places=2, default=0, max_digits=16, verbose_name="revenue")),
            ],
            options={
                "verbose_name": "product performance",
                "verbose_name_plural": "product performance",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("scenario", "day", "product_id", "currency"),
                        name="serving_product_performance_unique",
                    )
                ],
            },
        ),
    ]
