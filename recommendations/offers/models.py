"""Offers with their texts, individual offers that a flow has queued, and what was decided for whom."""

import secrets
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer
from customers.segments.models import Segment

MAX_HOLDOUT_SHARE = Decimal("0.9")
CONTENT_FIELDS = ("title", "text", "button", "url", "image_url")


def make_salt() -> str:
    """Return a random salt, so that the holdout groups of different offers are independent."""
    return secrets.token_hex(8)


class Offer(models.Model):
    """A message for a placement of the shop's pages: for a segment or for everyone, within a period, without the holdout group."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        ENDED = "ended", _("ended")

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200, help_text=_("Only for you; visitors do not see it."))
    placement = models.SlugField(
        _("placement"),
        max_length=100,
        default="top",
        help_text=_("The place on your pages, as in data-perennial-offer. For example: top, cart, product."),
    )
    segment = models.ForeignKey(
        Segment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="offers",
        verbose_name=_("segment"),
        help_text=_("Without a segment, everyone sees the offer, unknown visitors included."),
    )
    is_individual = models.BooleanField(
        _("only for selected customers"),
        default=False,
        help_text=_("Only customers for whom a flow has queued this offer see it."),
    )
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    priority = models.SmallIntegerField(
        _("priority"),
        default=0,
        help_text=_("If there are several offers, the one with the highest priority is shown."),
    )
    holdout_share = models.DecimalField(
        _("holdout share"),
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.1"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MAX_HOLDOUT_SHARE)],
        help_text=_("0.1 shows the offer to nine in ten people, and compares them with the others."),
    )
    salt = models.CharField(max_length=32, default=make_salt, editable=False)
    max_shows_per_day = models.PositiveSmallIntegerField(
        _("maximum impressions per day"),
        default=3,
        help_text=_("How often one visitor sees the offer within 24 hours. 0: no limit."),
    )
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.DRAFT, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(_("first started at"), null=True, editable=False)

    class Meta:
        verbose_name = _("on-site offer")
        verbose_name_plural = _("on-site offers")
        ordering = ["-priority", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lte=MAX_HOLDOUT_SHARE),
                name="offers_holdout_share_range",
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(starts_at__lt=F("ends_at")), name="offers_period"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OfferContent(models.Model):
    """The content of an offer in one language."""

    offer = models.ForeignKey(Offer, models.CASCADE, related_name="contents", verbose_name=_("on-site offer"))
    language = models.CharField(_("language"), max_length=20, choices=settings.LANGUAGES)
    title = models.CharField(_("title"), max_length=200)
    text = models.CharField(_("text"), max_length=1000, blank=True)
    button = models.CharField(_("button"), max_length=100, blank=True)
    url = models.CharField(
        _("link"), max_length=2000, blank=True, help_text=_("https://… or a path of your shop, such as /sale.")
    )
    image_url = models.CharField(_("image URL"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("content of an offer")
        verbose_name_plural = _("content")
        ordering = ["language"]
        constraints = [models.UniqueConstraint(fields=["offer", "language"], name="offers_content_once")]

    def __str__(self) -> str:
        return f"{self.title} ({self.language})"


class QueuedOffer(models.Model):
    """An offer for one customer, shown until it expires; queued by a flow."""

    offer = models.ForeignKey(Offer, models.CASCADE, related_name="queued", verbose_name=_("on-site offer"))
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="queued_offers", verbose_name=_("customer"))
    origin_kind = models.CharField(max_length=20)
    origin_id = models.BigIntegerField()
    queued_at = models.DateTimeField(_("queued at"))
    expires_at = models.DateTimeField(_("expires at"))

    class Meta:
        verbose_name = _("queued offer")
        verbose_name_plural = _("queued offers")
        constraints = [
            models.UniqueConstraint(fields=["origin_kind", "origin_id", "customer"], name="offers_queued_once")
        ]
        indexes = [models.Index(fields=["customer", "expires_at"], name="offers_queued_for")]

    def __str__(self) -> str:
        return f"{self.offer_id} → #{self.customer_id}"


class OfferExposure(models.Model):
    """One decision for an offer: it was shown, or the visitor is in the holdout group.

    Held-out visitors are recorded too, so that both groups are people who would have seen the offer.
    """

    class Arm(models.TextChoices):
        SHOWN = "shown", _("shown")
        HELD_OUT = "held_out", _("holdout")

    exposure_id = models.UUIDField(_("exposure ID"), unique=True)
    offer = models.ForeignKey(Offer, models.CASCADE, related_name="exposures", verbose_name=_("on-site offer"))
    arm = models.CharField(_("group"), max_length=10, choices=Arm)
    # no foreign key in the database: the receivers of merge_receivers.py keep it correct
    customer = models.ForeignKey(
        Customer,
        models.SET_NULL,
        null=True,
        related_name="offer_exposures",
        verbose_name=_("customer"),
        db_constraint=False,
        db_index=False,
    )
    anonymous_id = models.CharField(_("anonymous ID"), max_length=255, blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    decided_at = models.DateTimeField(_("shown at"))
    clicked_at = models.DateTimeField(_("clicked at"), null=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        verbose_name = _("offer exposure")
        verbose_name_plural = _("offer exposures")
        ordering = ["-decided_at", "-id"]
        indexes = [
            models.Index(
                fields=["customer", "decided_at"], name="offers_exposure_of", condition=Q(customer__isnull=False)
            ),
            models.Index(
                fields=["anonymous_id", "decided_at"], name="offers_exposure_seen", condition=~Q(anonymous_id="")
            ),
            models.Index(fields=["offer", "decided_at"], name="offers_exposure_by"),
        ]

    def __str__(self) -> str:
        return str(self.exposure_id)
