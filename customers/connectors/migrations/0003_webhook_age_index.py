from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("connectors", "0002_follow_ups")]

    operations = [
        AddIndexConcurrently("receivedwebhook", models.Index(fields=["received_at"], name="connectors_webhook_age"))
    ]
