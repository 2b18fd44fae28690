from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0003_customer_list_views")]

    operations = [
        migrations.CreateModel(
            name="PendingEventCount",
            fields=[("customer_id", models.BigIntegerField(primary_key=True, serialize=False))],
            options={
                "default_permissions": (),
                "verbose_name": "customer with events to count again",
                "verbose_name_plural": "customers with events to count again",
            },
        ),
    ]
