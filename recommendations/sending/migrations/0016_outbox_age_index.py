from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0015_event_details_index")]

    operations = [AddIndexConcurrently("outboxmessage", models.Index(fields=["created_at"], name="sending_outbox_age"))]
