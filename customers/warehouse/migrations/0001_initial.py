from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AppendMark",
            fields=[
                ("table", models.CharField(max_length=50, primary_key=True, serialize=False, verbose_name="table")),
                ("number", models.PositiveBigIntegerField(default=0, verbose_name="appends")),
            ],
            options={
                "verbose_name": "append mark",
                "verbose_name_plural": "append marks",
            },
        ),
        migrations.CreateModel(
            name="ExportRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("table", models.CharField(max_length=50, verbose_name="table")),
                (
                    "part",
                    models.CharField(
                        blank=True,
                        help_text="Empty if the whole table was written.",
                        max_length=200,
                        verbose_name="part",
                    ),
                ),
                ("rows", models.PositiveBigIntegerField(default=0, verbose_name="rows")),
                ("checksum", models.CharField(blank=True, max_length=64, verbose_name="checksum")),
                (
                    "watermark",
                    models.CharField(
                        blank=True, help_text="The start of the next export.", max_length=100, verbose_name="watermark"
                    ),
                ),
            ],
            options={
                "verbose_name": "export run",
                "verbose_name_plural": "export runs",
                "ordering": ["-started_at", "-id"],
                "indexes": [models.Index(fields=["table", "-started_at"], name="warehouse_export_latest")],
            },
        ),
    ]
