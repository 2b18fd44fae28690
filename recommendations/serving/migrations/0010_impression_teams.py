import django.contrib.postgres.fields
from django.db import migrations, models

ADD_COLUMN = "ALTER TABLE serving_impression ADD COLUMN teams smallint[]"
DROP_COLUMN = "ALTER TABLE serving_impression DROP COLUMN teams"


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0009_impression_propensities"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="impression",
                    name="teams",
                    field=django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(),
                        blank=True,
                        null=True,
                        size=None,
                        verbose_name="interleaved rankings",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(ADD_COLUMN, DROP_COLUMN)],
        ),
    ]
