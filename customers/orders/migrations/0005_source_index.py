from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0004_change_age_index")]

    operations = [
        AddIndexConcurrently("order", models.Index(fields=["source", "placed_at", "id"], name="orders_order_of_source"))
    ]
