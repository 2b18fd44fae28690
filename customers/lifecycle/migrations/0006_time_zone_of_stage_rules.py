from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0005_wider_list_indexes")]

    operations = [
        migrations.AddField(
            model_name="stagerules",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=64),
        ),
    ]
