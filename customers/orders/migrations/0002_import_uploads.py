from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="orderimport",
            name="options",
            field=models.JSONField(blank=True, default=dict, editable=False, verbose_name="options"),
        ),
        migrations.AddField(
            model_name="orderimport",
            name="upload",
            field=models.CharField(blank=True, editable=False, max_length=1000, verbose_name="uploaded file"),
        ),
    ]
