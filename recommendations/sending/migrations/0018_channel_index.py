from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0017_skip_index")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(fields=["channel", "-id"], name="sending_delivery_channel", condition=~Q(channel="email")),
        )
    ]
