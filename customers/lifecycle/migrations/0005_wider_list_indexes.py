from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0004_currency_of_amounts")]

    operations = [
        migrations.RemoveIndex(model_name="customerprofile", name="lifecycle_profile_value"),
        migrations.RemoveIndex(model_name="customerprofile", name="lifecycle_profile_churn"),
        migrations.RemoveIndex(model_name="customerprofile", name="lifecycle_profile_last_order"),
        migrations.AddIndex(
            model_name="customerprofile",
            index=models.Index(fields=["value", "churn", "stage", "last_order_at"], name="lifecycle_profile_value"),
        ),
        migrations.AddIndex(
            model_name="customerprofile",
            index=models.Index(fields=["churn", "stage", "last_order_at"], name="lifecycle_profile_churn"),
        ),
        migrations.AddIndex(
            model_name="customerprofile",
            index=models.Index(fields=["last_order_at", "churn", "stage"], name="lifecycle_profile_last_order"),
        ),
    ]
