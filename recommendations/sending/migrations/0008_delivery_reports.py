from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0007_restriction_reasons")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["channel", "-id"],
                name="sending_delivery_waiting",
                condition=Q(status="pending") & ~Q(error=""),
            ),
        ),
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["sent_at"], name="sending_delivery_wecom", condition=Q(channel="wecom", status="sent")
            ),
        ),
    ]
