from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0012_message_tests")]

    operations = [
        AddIndexConcurrently(
            "delivery", models.Index(fields=["origin_kind", "origin_id", "id"], name="sending_delivery_origin")
        ),
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["origin_kind", "origin_id", "test_part"],
                name="sending_delivery_unfinished",
                condition=Q(status__in=("pending", "sending")),
            ),
        ),
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["origin_kind", "origin_id", "sent_at"],
                name="sending_delivery_tested",
                condition=Q(test_part="test", sent_at__isnull=False),
            ),
        ),
    ]
