"""The help of `is_individual` no longer names the API, which queues no offers; the table stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="offer",
            name="is_individual",
            field=models.BooleanField(
                default=False,
                help_text="Only customers for whom a flow has queued this offer see it.",
                verbose_name="only for selected customers",
            ),
        ),
    ]
