"""Sources that exist already keep accepting customer IDs without a user token; new ones require it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [
        migrations.AddField(
            "source",
            "sealed_token_key",
            models.TextField(blank=True, default="", editable=False),
            preserve_default=False,
        ),
        migrations.AddField("source", "requires_user_token", models.BooleanField(default=False)),
        migrations.AlterField(
            "source",
            "requires_user_token",
            models.BooleanField(
                default=True,
                verbose_name="require user tokens",
                help_text="For browser, app and mini-program sources: accept customer IDs only with a user token from your server. Otherwise, anyone can send events as any customer.",
            ),
        ),
    ]
