from django.db import migrations

from config.foundation.database.partitions import MonthlyPartitions, create_index

IMPRESSION_PARTITIONS = MonthlyPartitions("serving_impression", "served_at")
NAMES = ("user_id", "anonymous_id")


def create_indexes(apps, schema_editor):
    # an erasure finds the impressions that name an identifier and have no customer yet
    for name in NAMES:
        create_index(
            f"serving_impression_unknown_{name}",
            f"({name}) WHERE customer_id IS NULL AND {name} <> ''",
            of=IMPRESSION_PARTITIONS,
        )


def drop_indexes(apps, schema_editor):
    for name in NAMES:
        schema_editor.execute(f"DROP INDEX IF EXISTS serving_impression_unknown_{name}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("serving", "0013_help_of_exploration")]

    operations = [migrations.RunPython(create_indexes, drop_indexes)]
