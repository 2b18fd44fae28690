from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_time_zone")]

    operations = [
        migrations.AddField(
            model_name="shopsettings",
            name="country",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=2, verbose_name="country of phone numbers"
            ),
        ),
        migrations.AddField(
            model_name="shopsettings",
            name="phone_country",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=2),
        ),
    ]
