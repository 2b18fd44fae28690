from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0004_synonyms"),
    ]

    operations = [
        migrations.AlterField(
            model_name="scenariosettings",
            name="fallback",
            field=models.CharField(
                blank=True,
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
                ],
                help_text="Which place takes over where this one has nothing to show; empty: the usual one.",
                max_length=50,
                verbose_name="fallback",
            ),
        ),
        migrations.AlterField(
            model_name="scenariosettings",
            name="scenario",
            field=models.CharField(
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
                ],
                max_length=50,
                unique=True,
                verbose_name="place",
            ),
        ),
    ]
