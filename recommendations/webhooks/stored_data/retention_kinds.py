"""How long webhook notifications are kept."""

from django.db.models import Q
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

NOTIFICATIONS = AgedRows("webhooks.WebhookNotification", "created_at", ~Q(status="pending"))

register_retention(
    RetentionKind(
        key="webhook_notifications",
        label=gettext_lazy("Webhook notifications"),
        note=gettext_lazy("Notifications that were delivered, or that are no longer retried, are deleted."),
        default_days=90,
        min_days=7,
        preview=NOTIFICATIONS.preview,
        purge=NOTIFICATIONS.purge,
        order=42,
    ),
)
