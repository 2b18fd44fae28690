from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("destinations", "0002_audience_lists")]

    operations = [
        AddIndexConcurrently("outgoingrecord", models.Index(fields=["created_at"], name="destinations_record_age"))
    ]
