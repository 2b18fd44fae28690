"""Addresses that get no messages."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Suppression(models.Model):
    """An address or number that gets no messages, as a keyed hash."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("email address")
        PHONE = "phone", _("phone number")

    class Reason(models.TextChoices):
        HARD_BOUNCE = "hard_bounce", _("hard bounce")
        SOFT_BOUNCES = "soft_bounces", _("several soft bounces")
        COMPLAINT = "complaint", _("complaint")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        MANUAL = "manual", _("added by hand")
        IMPORT = "import", _("imported")

    kind = models.CharField(_("kind"), max_length=5, choices=Kind, default=Kind.EMAIL)
    value_hash = models.CharField(_("keyed hash"), max_length=64)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    source = models.CharField(pgettext_lazy("suppression", "source"), max_length=150, blank=True)
    added_at = models.DateTimeField(_("added at"))

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        ordering = ["-added_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["kind", "value_hash"], name="sending_suppression_once")]
        indexes = [
            models.Index(fields=["-added_at", "-id"], name="sending_suppression_latest"),
            models.Index(fields=["source"], name="sending_suppression_imports", condition=Q(reason="import")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"
