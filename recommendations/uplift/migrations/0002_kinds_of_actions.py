"""Flows and offers as actions; the figures are computed again every night, so the old ones are deleted."""

from typing import Any

from django.db import migrations, models


def delete_figures(apps: Any, _schema_editor: Any) -> None:
    apps.get_model("uplift", "UpliftModel").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("uplift", "0001_initial")]

    operations = [
        migrations.RunPython(delete_figures, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField("upliftmodel", "campaign"),
        migrations.AddField(
            "upliftmodel",
            "pool",
            models.CharField(default="message", max_length=10, verbose_name="learned from"),
            preserve_default=False,
        ),
        migrations.AddField("upliftmodel", "kind", models.CharField(blank=True, max_length=10, verbose_name="type")),
        migrations.AddField("upliftmodel", "key", models.SlugField(blank=True, max_length=100, verbose_name="key")),
        migrations.AddConstraint(
            "upliftmodel", models.UniqueConstraint(fields=("pool", "kind", "key"), name="uplift_model_unique")
        ),
        migrations.AlterField(
            "customeraction", "kind", models.CharField(max_length=10, verbose_name="next best action")
        ),
        migrations.AlterField(
            "customeraction",
            "message_effect",
            models.CharField(
                blank=True,
                choices=[
                    ("positive", "a message raises orders"),
                    ("none", "no effect of messages shown"),
                    ("negative", "a message lowers orders"),
                ],
                max_length=10,
                verbose_name="effect of messages",
            ),
        ),
    ]
