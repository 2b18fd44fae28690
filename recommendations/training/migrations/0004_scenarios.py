from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0003_cold_start"),
    ]

    operations = [
        migrations.AddField(
            model_name="evaluationrun",
            name="scenarios",
            field=models.JSONField(
                default=dict,
                help_text="Each place of the shop: what it is made of, its figures beside those of its fallback, whether it is on and why.",
                verbose_name="scenarios",
            ),
        ),
    ]
