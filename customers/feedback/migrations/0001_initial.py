import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0001_initial"),
        ("identity", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "review_id",
                    models.CharField(
                        help_text="The shop's own ID. A review with the same ID replaces the earlier one.",
                        max_length=200,
                        unique=True,
                        verbose_name="review ID",
                    ),
                ),
                (
                    "rating",
                    models.PositiveSmallIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(5),
                        ],
                        verbose_name="rating",
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=300, verbose_name="title")),
                ("body", models.TextField(blank=True, verbose_name="text")),
                ("language", models.CharField(blank=True, max_length=20, verbose_name="language")),
                ("written_at", models.DateTimeField(db_index=True, verbose_name="written at")),
                (
                    "sentiment",
                    models.FloatField(
                        blank=True, help_text="−1 to 1; empty until computed.", null=True, verbose_name="sentiment"
                    ),
                ),
                ("contradicts", models.BooleanField(default=False, verbose_name="text contradicts rating")),
                (
                    "customer",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="reviews",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reviews",
                        to="catalog.product",
                        verbose_name="product",
                    ),
                ),
            ],
            options={
                "verbose_name": "review",
                "verbose_name_plural": "reviews",
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("rating__gte", 1), ("rating__lte", 5)), name="feedback_review_rating_1_to_5"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sentiment__isnull", True),
                            models.Q(("sentiment__gte", -1), ("sentiment__lte", 1)),
                            _connector="OR",
                        ),
                        name="feedback_review_sentiment_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SurveyAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(choices=[("nps", "NPS"), ("csat", "CSAT")], max_length=10, verbose_name="type"),
                ),
                ("score", models.PositiveSmallIntegerField(verbose_name="score")),
                ("comment", models.TextField(blank=True, verbose_name="comment")),
                ("answered_at", models.DateTimeField(db_index=True, verbose_name="answered at")),
                (
                    "customer",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="survey_answers",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "survey answer",
                "verbose_name_plural": "survey answers",
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "nps"), ("score__lte", 10)),
                            models.Q(("kind", "csat"), ("score__gte", 1), ("score__lte", 5)),
                            _connector="OR",
                        ),
                        name="feedback_survey_score_range",
                    )
                ],
            },
        ),
    ]
