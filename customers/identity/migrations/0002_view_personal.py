from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("identity", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="customer",
            options={
                "ordering": ["id"],
                "permissions": [("view_personal", "Can view names, e-mail addresses, phone numbers and birthdays")],
                "verbose_name": "customer",
                "verbose_name_plural": "customers",
            },
        ),
    ]
