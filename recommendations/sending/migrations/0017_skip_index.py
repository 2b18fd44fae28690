from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0016_outbox_age_index")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(fields=["skip_reason", "-id"], name="sending_delivery_skips", condition=~Q(skip_reason="")),
        )
    ]
