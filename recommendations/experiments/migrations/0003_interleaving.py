from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("experiments", "0002_bandit_allocations"),
    ]

    operations = [
        migrations.AlterField(
            model_name="experiment",
            name="method",
            field=models.CharField(
                choices=[("fixed", "fixed shares"), ("bandit", "bandit"), ("interleaving", "interleaving")],
                default="fixed",
                max_length=15,
                verbose_name="method",
            ),
        ),
    ]
