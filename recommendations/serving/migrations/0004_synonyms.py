import django.contrib.postgres.fields
from django.db import migrations, models

import recommendations.serving.search.models


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0003_impressions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Synonym",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "terms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=100, validators=[recommendations.serving.search.models.validate_words]
                        ),
                        help_text="What customers type, separated by commas: tv, television.",
                        size=None,
                        verbose_name="terms",
                    ),
                ),
                (
                    "replacements",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=100, validators=[recommendations.serving.search.models.validate_words]
                        ),
                        blank=True,
                        default=list,
                        help_text="One way: whoever types a term also finds these, not the other way. Empty: all terms mean the same, both ways.",
                        size=None,
                        verbose_name="also find",
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        help_text="Such as en or zh; empty: for readers of every language.",
                        max_length=10,
                        verbose_name="language",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
            ],
            options={
                "verbose_name": "synonym",
                "verbose_name_plural": "synonyms",
                "ordering": ["terms", "language"],
                "constraints": [
                    models.UniqueConstraint(fields=("terms", "language"), name="serving_synonym_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("terms__len__gte", 2),
                            models.Q(("replacements__len__gte", 1), ("terms__len", 1)),
                            _connector="OR",
                        ),
                        name="serving_synonym_says_something",
                    ),
                ],
            },
        ),
    ]
