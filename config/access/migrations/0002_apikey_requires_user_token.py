"""Publishable keys that exist already keep accepting customer IDs without a user token; new ones require it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]

    operations = [
        migrations.AddField("apikey", "requires_user_token", models.BooleanField(default=False)),
        migrations.AlterField(
            "apikey",
            "requires_user_token",
            models.BooleanField(
                default=True,
                help_text="For publishable keys: accept customer IDs only with a user token from your server. Otherwise, anyone can read the recommendations of any customer.",
                verbose_name="require user tokens",
            ),
        ),
    ]
