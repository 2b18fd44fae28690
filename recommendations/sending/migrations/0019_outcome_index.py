from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0018_channel_index")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["status", "-id"],
                name="sending_delivery_outcome",
                condition=Q(status__in=("bounced", "canceled", "delivered")),
            ),
        )
    ]
