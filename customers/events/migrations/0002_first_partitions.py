from datetime import UTC, datetime

from django.db import migrations

from config.foundation.database.partitions import ensure_partitions


def make_first_partitions(apps, schema_editor):
    ensure_partitions(as_of=datetime.now(UTC))


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [migrations.RunPython(make_first_partitions, migrations.RunPython.noop)]
