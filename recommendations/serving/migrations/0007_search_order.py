import django.contrib.postgres.fields
from django.db import migrations, models

# real instead of double precision: every page of search results has 80 of them
ADD_COLUMN = "ALTER TABLE serving_impression ADD COLUMN order_features real[]"
DROP_COLUMN = "ALTER TABLE serving_impression DROP COLUMN order_features"


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0006_product_performance"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("learned_at", models.DateTimeField(verbose_name="updated at")),
                ("pages", models.PositiveIntegerField(default=0, verbose_name="pages with clicks")),
                ("people", models.PositiveIntegerField(default=0, verbose_name="people")),
                ("popularity", models.FloatField(default=1.0, verbose_name="popularity")),
                ("personal", models.FloatField(default=1.0, verbose_name="personalization")),
                ("gain", models.FloatField(null=True, verbose_name="gain")),
                ("gain_low", models.FloatField(null=True, verbose_name="lower limit of the gain")),
                ("gain_high", models.FloatField(null=True, verbose_name="upper limit of the gain")),
                ("is_served", models.BooleanField(default=False, verbose_name="served")),
            ],
            options={
                "verbose_name": "search order",
                "verbose_name_plural": "search order",
            },
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="impression",
                    name="order_features",
                    field=django.contrib.postgres.fields.ArrayField(
                        base_field=models.FloatField(),
                        blank=True,
                        null=True,
                        size=None,
                        verbose_name="order of search results",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(ADD_COLUMN, DROP_COLUMN)],
        ),
    ]
