from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0005_source_index")]

    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["status", "placed_at", "id"], name="orders_order_changed", condition=~Q(status="placed")
            ),
        )
    ]
