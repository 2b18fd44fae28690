import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0002_schedule_and_runs"),
        ("messaging", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="approved_version",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="messaging.templateversion",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="template",
            field=models.ForeignKey(
                blank=True,
                help_text="Each run sends the version that is published when the run starts.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="campaigns",
                to="messaging.messagetemplate",
                verbose_name="message",
            ),
        ),
        migrations.AddField(
            model_name="campaignrun",
            name="template_version",
            field=models.ForeignKey(
                default=0,  # no campaign could run before
                on_delete=django.db.models.deletion.PROTECT,
                related_name="campaign_runs",
                to="messaging.templateversion",
                verbose_name="message",
            ),
            preserve_default=False,
        ),
    ]
