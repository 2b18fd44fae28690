"""Creates notifications: of changes in the transaction of the change, of messages from their delivery events."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from recommendations.sending.models import DeliveryEvent
from recommendations.webhooks.event_types import EVENT_TYPES, MESSAGE_TYPES
from recommendations.webhooks.models import WebhookCursor, WebhookEndpoint

# Events whose transaction may have ended after that of a later one are read again; the key keeps them from counting twice, but only as
# long as the notification is stored, so events older than the longest such transaction are not read again.
OVERLAP = 5_000
OVERLAP_TIME = timedelta(hours=1)
INSERT_NOTIFICATIONS = """
INSERT INTO webhooks_webhooknotification (endpoint_id, key, type, payload, created_at, next_attempt_at)
SELECT id, %(key)s, %(type)s, %(payload)s, %(at)s, %(at)s FROM webhooks_webhookendpoint
WHERE is_active AND event_types @> ARRAY[%(type)s]::varchar[]
ON CONFLICT (endpoint_id, key) DO NOTHING
"""
# the shop recognizes the customer by the user ID; addresses are not sent
INSERT_MESSAGE_NOTIFICATIONS = """
INSERT INTO webhooks_webhooknotification (endpoint_id, key, type, payload, created_at, next_attempt_at)
SELECT w.id, 'delivery-event-' || e.id, t.type,
       jsonb_build_object(
           'delivery_id', d.id, 'origin', jsonb_build_object('kind', d.origin_kind, 'id', d.origin_id), 'channel', d.channel,
           'user_id', (SELECT i.value FROM identity_identifier i
                       WHERE i.customer_id = d.customer_id AND i.kind = 'user_id' AND i.value NOT LIKE '%%@%%'
                       ORDER BY i.id LIMIT 1),
           'at', e.at, 'url', e.url
       ), %(now)s, %(now)s
FROM sending_deliveryevent e
JOIN sending_delivery d ON d.id = e.delivery_id
JOIN unnest(%(kinds)s::text[], %(types)s::text[]) AS t (kind, type) ON t.kind = e.kind
JOIN webhooks_webhookendpoint w ON w.is_active AND w.event_types @> ARRAY[t.type]::varchar[]
WHERE e.id > %(cursor)s - %(overlap)s AND e.id <= %(until)s AND (e.id > %(cursor)s OR e.at > %(since)s)
  AND NOT e.is_machine AND e.at >= w.created_at
ON CONFLICT (endpoint_id, key) DO NOTHING
"""


def publish(event_type: str, *, key: str, data: Mapping[str, Any], at: datetime) -> None:
    """Notify the endpoints that subscribe to a type, in the caller's transaction. key: identifies the event, which is published only once."""
    if event_type not in EVENT_TYPES:
        raise ValueError(f"Unknown event {event_type!r}; valid: {', '.join(EVENT_TYPES)}.")
    values: dict[str, Any] = {"key": key[:100], "type": event_type, "payload": json.dumps(data), "at": at}
    with connection.cursor() as cursor:
        cursor.execute(INSERT_NOTIFICATIONS, values)


def collect_message_events(*, now: datetime) -> int:
    """Create notifications of what happened to messages since the last call; return their number."""
    if not WebhookEndpoint.objects.filter(is_active=True, event_types__overlap=list(MESSAGE_TYPES.values())).exists():
        skip_message_events()
        return 0
    with transaction.atomic():
        cursor_row, _created = WebhookCursor.objects.select_for_update().get_or_create(pk=1)
        until = DeliveryEvent.objects.aggregate(last=Max("pk"))["last"] or 0
        with connection.cursor() as cursor:
            cursor.execute(
                INSERT_MESSAGE_NOTIFICATIONS,
                {
                    "now": now,
                    "kinds": list(MESSAGE_TYPES),
                    "types": list(MESSAGE_TYPES.values()),
                    "cursor": cursor_row.delivery_event_id,
                    "overlap": OVERLAP,
                    "since": now - OVERLAP_TIME,
                    "until": until,
                },
            )
            inserted = int(cursor.rowcount)
        cursor_row.delivery_event_id = until
        cursor_row.save(update_fields=["delivery_event_id"])
    return inserted


def skip_message_events() -> None:
    """Pass over the events that nobody subscribes to, so that an endpoint that is enabled again later does not receive them."""
    last = DeliveryEvent.objects.aggregate(last=Max("pk"))["last"] or 0
    WebhookCursor.objects.filter(pk=1, delivery_event_id__lt=last).update(delivery_event_id=last)
