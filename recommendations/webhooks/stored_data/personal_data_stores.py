"""Notifications of webhooks, which may name the customer."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

register_stores(
    MatchingTexts(
        "webhooks.notifications",
        _("webhook notifications"),
        "webhooks.WebhookNotification",
        "payload",
        "error",
        action=TextAction.MASK,
    ),
)
register_impersonal(
    table("webhooks.WebhookEndpoint"),
    table("webhooks.WebhookNotification", "key", "type"),
    reason="Addresses and secrets of the shop's own systems, and kinds of notifications.",
)
