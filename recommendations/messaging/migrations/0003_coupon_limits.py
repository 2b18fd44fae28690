"""Limits, low-stock alarms and redemptions of coupon pools."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0002_coupon_counts")]

    operations = [
        migrations.AddField(
            model_name="couponpool",
            name="per_customer",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Empty: no limit. Beyond the limit, messages that need another code are not sent.",
                null=True,
                verbose_name="maximum codes per customer",
            ),
        ),
        migrations.AddField(
            model_name="couponpool",
            name="low_stock",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="An alarm is raised when fewer codes are left. Empty: no alarm.",
                null=True,
                verbose_name="alarm if fewer codes are left than",
            ),
        ),
        migrations.AddField(
            model_name="couponpool",
            name="redeemed_count",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, verbose_name="redeemed codes"),
        ),
        migrations.AddField(
            model_name="couponcode",
            name="redeemed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="redeemed at"),
        ),
        migrations.AddField(
            model_name="couponcode",
            name="order_number",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="order number"),
        ),
    ]
