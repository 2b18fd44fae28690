from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("messaging", "0005_returnable_codes")]

    operations = [
        AddIndexConcurrently(
            model_name="couponcode",
            index=models.Index(
                fields=["order_number"], name="messaging_code_redeemed", condition=Q(order_number__isnull=False)
            ),
        ),
    ]
