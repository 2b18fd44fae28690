"""Who gets the weekly digest, and which digests were sent."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class DigestSubscription(models.Model):
    """A member of the team who asked for the digest. language: of the emails. since: the weeks that ended after it are sent."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="digest_subscription", verbose_name=_("user")
    )
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES)
    is_active = models.BooleanField(pgettext_lazy("switch", "active"), default=True)
    since = models.DateTimeField(_("since"))

    class Meta:
        default_permissions = ()
        verbose_name = _("digest subscription")
        verbose_name_plural = _("digest subscriptions")

    def __str__(self) -> str:
        return str(self.user)


class DigestStatus(models.TextChoices):
    PENDING = "pending", _("pending")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")


class DigestDelivery(models.Model):
    """The digest of a week to a user: at most one exists, so that nobody gets it twice.

    Attributes:
        week: its Monday. status: one that stays "being sent" belongs to a process that was killed while the mail server had the
            email; it may have arrived, so it is not sent again. error: of the last attempt.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"))
    week = models.DateField(_("week"))
    status = models.CharField(_("status"), max_length=10, choices=DigestStatus, default=DigestStatus.PENDING)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("sent digest")
        verbose_name_plural = _("sent digests")
        ordering = ["-week", "user_id"]
        constraints = [models.UniqueConstraint(fields=["user", "week"], name="digest_delivery_once")]

    def __str__(self) -> str:
        return f"{self.week} {self.user_id}"
