from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0003_coupon_index")]

    operations = [AddIndexConcurrently("orderchange", models.Index(fields=["changed_at"], name="orders_change_age"))]
