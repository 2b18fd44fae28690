from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            "webhooknotification", models.Index(fields=["created_at"], name="webhooks_notification_age")
        )
    ]
