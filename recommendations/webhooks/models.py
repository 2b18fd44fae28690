"""Endpoints of the shop that are notified of changes, and the notifications to them."""

import secrets
from base64 import b64encode

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.personal_data.encrypted_field import EncryptedTextField


def make_secret() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"


class WebhookEndpoint(models.Model):
    """A URL of the shop. The secret signs every notification, so that the receiver knows that it is genuine."""

    name = models.CharField(_("name"), max_length=100)
    url = models.URLField(_("URL"), max_length=1000)
    secret = EncryptedTextField(_("secret"), default=make_secret, editable=False)
    event_types = ArrayField(models.CharField(max_length=50), verbose_name=_("events"))
    is_active = models.BooleanField(pgettext_lazy("switch", "active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class WebhookNotification(models.Model):
    """One event for one endpoint; it is repeated with growing pauses until the endpoint accepts it or the attempts are used up."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        DELIVERED = "delivered", _("delivered")
        DEAD = "dead", _("given up")

    endpoint = models.ForeignKey(
        WebhookEndpoint, models.CASCADE, related_name="notifications", verbose_name=_("webhook endpoint")
    )
    key = models.CharField(_("key"), max_length=100)
    type = models.CharField(_("event"), max_length=50)
    payload = models.JSONField(_("content"))
    created_at = models.DateTimeField(_("created at"))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING, db_default="pending")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True, db_default="")

    class Meta:
        verbose_name = _("webhook notification")
        verbose_name_plural = _("webhook notifications")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "key"], name="webhooks_notification_once")]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="webhooks_notification_due", condition=Q(status="pending")),
            models.Index(fields=["created_at"], name="webhooks_notification_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.pk}"


class WebhookCursor(models.Model):
    """How far the events of messages have been turned into notifications; one row."""

    delivery_event_id = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("webhook cursor")
        verbose_name_plural = _("webhook cursors")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.delivery_event_id)
