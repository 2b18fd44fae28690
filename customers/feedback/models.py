"""Reviews of products, and answers to surveys."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_text
from customers.orders.models import Order


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
    scored_at = models.DateTimeField(_("sentiment computed at"), null=True, blank=True, editable=False, db_index=True)
    is_published = models.BooleanField(
        _("published"),
        default=True,
        help_text=_("A hidden review is not shown in the shop and not part of its ratings."),
    )
    reply = models.TextField(
        _("reply"), blank=True, max_length=5_000, help_text=_("Your public answer, shown below the review.")
    )
    replied_at = models.DateTimeField(_("replied at"), null=True, blank=True, editable=False)

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
    order = models.ForeignKey(
        Order,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="survey_answers",
        verbose_name=_("order"),
        help_text=_("The order that the survey link was sent for."),
    )
    link_id = models.CharField(_("survey link"), max_length=64, unique=True, null=True, blank=True, editable=False)

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


class SentimentModel(models.Model):
    """The latest sentiment model of a language, learned from the shop's own reviews or from a file.

    Attributes:
        content: arrays, see `sentiment.model.serialize_model`. parameters: its other values. texts: how many rated ones it was
        trained on. is_used: whether it is the model of its language that scores reviews.
    """

    class Origin(models.TextChoices):
        REVIEWS = "reviews", _("own reviews")
        FILE = "file", _("file")

    language = models.CharField(_("language"), max_length=2, choices=[("en", _("English")), ("zh", _("Chinese"))])
    origin = models.CharField(_("learned from"), max_length=10, choices=Origin)
    trained_at = models.DateTimeField(_("trained at"))
    texts = models.PositiveIntegerField(_("texts"))
    content = models.BinaryField(_("content"), editable=False)
    parameters = models.JSONField(_("parameters"), default=dict)
    is_used = models.BooleanField(_("used"), default=False)

    class Meta:
        verbose_name = _("sentiment model")
        verbose_name_plural = _("sentiment models")
        ordering = ["language", "origin"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["language", "origin"], name="feedback_sentiment_model_once"),
            models.UniqueConstraint(
                fields=["language"], condition=Q(is_used=True), name="feedback_sentiment_model_used_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_language_display()}, {self.get_origin_display()}"
