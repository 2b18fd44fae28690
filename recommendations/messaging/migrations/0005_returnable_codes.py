"""Coupon codes that are free again if their message is not sent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0004_coupon_code_index")]

    operations = [
        migrations.AddField(
            model_name="couponcode",
            name="is_returnable",
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name="returnable"),
        ),
    ]
