from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0006_status_index")]

    operations = [
        AddIndexConcurrently(
            "order", models.Index(fields=["placed_at", "id"], name="orders_order_returns", condition=Q(kind="return"))
        )
    ]
