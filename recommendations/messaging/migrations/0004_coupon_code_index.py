from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("messaging", "0003_coupon_limits")]

    operations = [
        AddIndexConcurrently(
            model_name="couponcode", index=models.Index(fields=["code"], name="messaging_code_by_text")
        ),
    ]
