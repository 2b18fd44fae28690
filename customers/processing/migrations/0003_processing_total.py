from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("processing", "0002_running_runs")]

    operations = [
        migrations.RenameModel("Tally", "ProcessingTotal"),
        migrations.AlterModelOptions(
            "processingtotal",
            {"ordering": ["name"], "verbose_name": "processing total", "verbose_name_plural": "processing totals"},
        ),
    ]
