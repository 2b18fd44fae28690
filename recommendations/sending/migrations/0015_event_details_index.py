from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0014_delivery_details_index")]

    operations = [
        AddIndexConcurrently(
            "deliveryevent", models.Index(fields=["at"], name="sending_event_details", condition=~Q(url="", detail=""))
        )
    ]
