"""Campaigns and the exports of their audiences."""

import secrets

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Consent
from customers.segments.models import Segment


def make_salt() -> str:
    """Return a random salt, so that the holdout groups of different campaigns are independent."""
    return secrets.token_hex(8)


class Campaign(models.Model):
    """A message to a segment, without the customers of the holdout group."""

    class Channel(models.TextChoices):
        EXPORT = "export", _("CSV export")
        EMAIL = "email", _("email")
        WEBHOOK = "webhook", _("webhook")
        ON_SITE = "on_site", _("on-site offer")

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        LAUNCHED = "launched", _("launched")
        PAUSED = "paused", _("paused")
        ENDED = "ended", _("ended")

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    channel = models.CharField(_("channel"), max_length=20, choices=Channel, default=Channel.EXPORT)
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="campaigns", verbose_name=_("segment"))
    holdout_share = models.DecimalField(
        _("holdout share"),
        max_digits=5,
        decimal_places=4,
        default=0.1,
        help_text=_("0.1 puts one customer in ten in the holdout group."),
    )
    required_consent = models.CharField(
        _("required consent"),
        max_length=20,
        choices=Consent.Purpose,
        blank=True,
        help_text=_(
            "Only customers who granted this consent are in the audience. The email channel always requires "
            "consent to email. Other channels require consent only if you select one here."
        ),
    )
    salt = models.CharField(
        _("salt"),
        max_length=32,
        default=make_salt,
        editable=False,
        help_text=_("Determines the holdout group; never changes."),
    )
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.DRAFT)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lt=1), name="campaigns_holdout_share_range"
            )
        ]

    def __str__(self) -> str:
        return self.name


class AudienceExport(models.Model):
    """One CSV export of a campaign's audience, with its size and that of the holdout group."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="exports", verbose_name=_("campaign"))
    exported_at = models.DateTimeField(_("exported at"))
    exported_by = models.CharField(_("exported by"), max_length=150, blank=True)
    segment_size = models.PositiveBigIntegerField(_("segment size"))
    held_out = models.PositiveBigIntegerField(_("holdout group"))
    rows = models.PositiveBigIntegerField(_("rows"))

    class Meta:
        verbose_name = _("audience export")
        verbose_name_plural = _("audience exports")
        ordering = ["-exported_at", "-id"]

    def __str__(self) -> str:
        return f"{self.campaign_id} ({self.exported_at:%Y-%m-%d %H:%M})"
