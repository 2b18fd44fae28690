from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0002_capture_triggers"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="flowentry",
            name="flows_entry_latest",
        ),
        migrations.AddIndex(
            model_name="flowentry",
            index=models.Index(fields=["flow", "id"], name="flows_entry_of_flow"),
        ),
    ]
