import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchandising", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="rule",
            name="scenarios",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("for-you", "For you"),
                        ("similar", "Similar products"),
                        ("bought-together", "Bought together"),
                        ("cart", "Goes with the basket"),
                        ("buy-again", "Buy again"),
                        ("trending", "Trending"),
                        ("popular", "Popular"),
                        ("new", "New products"),
                        ("recently-viewed", "Recently viewed"),
                        ("categories", "Categories for you"),
                        ("search", "Search"),
                    ],
                    max_length=20,
                ),
                blank=True,
                default=list,
                help_text="None chosen: everywhere.",
                size=None,
                verbose_name="where",
            ),
        ),
    ]
