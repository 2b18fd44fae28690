"""Reviews of products, and answers to surveys."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_text


class Review(models.Model):
    """A customer's rating and review of a product."""

    review_id = models.CharField(
        _("review ID"),
        max_length=200,
        unique=True,
        help_text=_("The shop's own ID. A review with the same ID replaces the earlier one."),
    )
    product = models.ForeignKey(Product, models.CASCADE, related_name="reviews", verbose_name=_("product"))
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, blank=True, related_name="reviews", verbose_name=_("customer")
    )
    rating = models.PositiveSmallIntegerField(_("rating"), validators=[MinValueValidator(1), MaxValueValidator(5)])
    title = models.CharField(_("title"), max_length=300, blank=True)
    body = models.TextField(_("text"), blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    written_at = models.DateTimeField(_("written at"), db_index=True)
    sentiment = models.FloatField(_("sentiment"), null=True, blank=True, help_text=_("−1 to 1; empty until computed."))
    contradicts = models.BooleanField(_("text contradicts rating"), default=False)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="feedback_review_rating_1_to_5"),
            models.CheckConstraint(
                condition=Q(sentiment__isnull=True) | Q(sentiment__gte=-1, sentiment__lte=1),
                name="feedback_review_sentiment_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating}★ {mask_text(self.title)}".strip()


class SurveyAnswer(models.Model):
    """An answer to “would you recommend us?” (NPS, 0–10) or “how satisfied are you?” (CSAT, 1–5)."""

    class Kind(models.TextChoices):
        NPS = "nps", _("NPS")
        CSAT = "csat", _("CSAT")

    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, blank=True, related_name="survey_answers", verbose_name=_("customer")
    )
    kind = models.CharField(_("type"), max_length=10, choices=Kind)
    score = models.PositiveSmallIntegerField(_("score"))
    comment = models.TextField(_("comment"), blank=True)
    answered_at = models.DateTimeField(_("answered at"), db_index=True)

    class Meta:
        verbose_name = _("survey answer")
        verbose_name_plural = _("survey answers")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="nps", score__lte=10) | Q(kind="csat", score__gte=1, score__lte=5),
                name="feedback_survey_score_range",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.score}"
