"""Personal traits are encrypted in Python; the column stays as it is. ``manage.py seal_personal_data`` encrypts existing rows."""

from django.db import migrations

import customers.identity.personal_data.sealed_traits


class Migration(migrations.Migration):
    dependencies = [("identity", "0002_proven_identifiers")]

    operations = [
        migrations.AlterField(
            model_name="customer",
            name="traits",
            field=customers.identity.personal_data.sealed_traits.SealedTraitsField(
                blank=True,
                default=dict,
                help_text="Attributes provided by the shop, such as household size.",
                verbose_name="traits",
            ),
        )
    ]
