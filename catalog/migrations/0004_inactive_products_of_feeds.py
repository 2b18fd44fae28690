from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_product_groups"),
    ]

    operations = [
        migrations.AddField(
            model_name="feedimport",
            name="inactive",
            field=models.PositiveBigIntegerField(
                db_default=0,
                default=0,
                help_text="Products of the feed that are inactive and stay hidden.",
                verbose_name="inactive",
            ),
        ),
    ]
