"""When orders were last matched with coupon codes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0006_redeemed_code_index")]

    operations = [
        migrations.CreateModel(
            name="RedemptionProgress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("matched_until", models.DateTimeField(verbose_name="matched until")),
            ],
            options={
                "verbose_name": "progress of matching redemptions",
                "verbose_name_plural": "progress of matching redemptions",
                "default_permissions": (),
            },
        ),
    ]
