from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0013_origin_indexes")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["queued_at"],
                name="sending_delivery_details",
                condition=~Q(choices={}, event={}, error="", provider_id=""),
            ),
        )
    ]
