from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0008_delivery_reports")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["provider_id"], name="sending_delivery_sms", condition=Q(channel="sms") & ~Q(provider_id="")
            ),
        ),
    ]
