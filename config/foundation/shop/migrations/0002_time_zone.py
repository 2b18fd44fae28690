from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="shopsettings",
            name="time_zone",
            field=models.CharField(blank=True, default="", max_length=64, verbose_name="time zone"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="shopsettings",
            name="time_zone_changed_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="time zone changed at"),
        ),
    ]
