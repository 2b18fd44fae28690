import django.contrib.postgres.fields
from django.db import migrations, models

ADD_COLUMN = "ALTER TABLE serving_impression ADD COLUMN propensities real[]"
DROP_COLUMN = "ALTER TABLE serving_impression DROP COLUMN propensities"


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0008_searchorder_is_promoted"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="impression",
                    name="propensities",
                    field=django.contrib.postgres.fields.ArrayField(
                        base_field=models.FloatField(null=True),
                        blank=True,
                        null=True,
                        size=None,
                        verbose_name="propensities",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(ADD_COLUMN, DROP_COLUMN)],
        ),
    ]
