from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0002_order_changes")]

    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(fields=["created_at"], name="orders_order_coupons", condition=Q(kind="sale") & ~Q(coupon="")),
        )
    ]
