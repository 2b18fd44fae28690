import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0002_apikey_requires_user_token"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="allowed_origins",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=200),
                blank=True,
                default=list,
                help_text="For publishable keys: the websites whose pages may read responses, for example https://shop.example.",
                size=None,
                verbose_name="allowed origins",
            ),
        ),
    ]
