"""Accounts at providers, and the browsers that receive push notifications."""

from json import dumps, loads
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.identity.personal_data.encrypted_field import EncryptedTextField


class PushSubscription(models.Model):
    """A browser that a customer allowed to receive push notifications (RFC 8291)."""

    customer_id = models.BigIntegerField(_("customer"), db_index=True)
    endpoint = EncryptedTextField(_("endpoint"))
    endpoint_hash = models.CharField(max_length=64, unique=True)
    public_key = models.CharField(max_length=120)
    auth_secret = EncryptedTextField()
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("push subscription")
        verbose_name_plural = _("push subscriptions")

    def __str__(self) -> str:
        return f"#{self.pk}"


class ChannelAccount(models.Model):
    """The provider of a channel and how to reach it; secrets are encrypted."""

    channel = models.CharField(_("channel"), max_length=20, unique=True)
    provider = models.CharField(_("provider"), max_length=40)
    options = models.JSONField(_("options"), default=dict, blank=True)
    secrets = EncryptedTextField(_("secrets"), blank=True, default="", help_text="JSON")
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("channel account")
        verbose_name_plural = _("channel accounts")

    def __str__(self) -> str:
        return f"{self.channel}: {self.provider}"

    def update_secrets(self, values: dict[str, Any]) -> None:
        """Replace the secrets that are given; the others stay."""
        self.secrets = dumps({**(loads(self.secrets) if self.secrets else {}), **values})
