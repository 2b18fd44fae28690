from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0005_agent_activity")]

    operations = [
        migrations.AddField(
            model_name="outbox",
            name="user_id",
            field=models.CharField(db_default="", default="", editable=False, max_length=255, verbose_name="user ID"),
        ),
        migrations.AddField(
            model_name="outbox",
            name="anonymous_id",
            field=models.CharField(
                db_default="", default="", editable=False, max_length=255, verbose_name="anonymous ID"
            ),
        ),
    ]
