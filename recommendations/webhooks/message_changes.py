"""Notifications of messages that were sent, skipped, failed or canceled: one for up to 500 messages, so that a million need 2,000."""

from collections.abc import Sequence
from datetime import datetime
from itertools import batched
from uuid import uuid4

from django.db import connection

from config.foundation.ttl_cache import TtlCache
from recommendations.webhooks.event_types import STATUS_TYPES
from recommendations.webhooks.models import WebhookEndpoint

MESSAGES = 500  # of a notification
INSERT_BATCH = """
INSERT INTO webhooks_webhooknotification (endpoint_id, key, type, payload, created_at, next_attempt_at)
SELECT w.id, %(key)s || '-' || batch.type, batch.type, batch.payload, %(at)s, %(at)s
FROM (
    SELECT t.type, jsonb_build_object('messages', jsonb_agg(jsonb_build_object(
        'delivery_id', d.id, 'origin', jsonb_build_object('kind', d.origin_kind, 'id', d.origin_id), 'channel', d.channel,
        'user_id', (SELECT i.value FROM identity_identifier i
                    WHERE i.customer_id = d.customer_id AND i.kind = 'user_id' AND i.value NOT LIKE '%%@%%'
                    ORDER BY i.id LIMIT 1),
        'at', %(at)s::timestamptz, 'status', c.status, 'reason', d.skip_reason
    ) ORDER BY d.id)) AS payload
    FROM unnest(%(ids)s::bigint[], %(statuses)s::text[]) AS c (id, status)
    JOIN sending_delivery d ON d.id = c.id
    JOIN unnest(%(kinds)s::text[], %(types)s::text[]) AS t (kind, type) ON t.kind = c.status
    GROUP BY t.type
) batch
JOIN webhooks_webhookendpoint w ON w.is_active AND w.event_types @> ARRAY[batch.type]::varchar[]
"""


def _is_subscribed(_all: str) -> bool:
    types = list(set(STATUS_TYPES.values()))
    return WebhookEndpoint.objects.filter(is_active=True, event_types__overlap=types).exists()


_subscribed: TtlCache[bool] = TtlCache(_is_subscribed)


class MessageNotifier:
    """Creates the notifications in the transaction of the change."""

    def is_listening(self) -> bool:
        return bool(_subscribed.get(""))

    def receive(self, changes: Sequence[tuple[int, str]], *, at: datetime) -> None:
        for batch in batched(changes, MESSAGES):
            with connection.cursor() as cursor:
                cursor.execute(
                    INSERT_BATCH,
                    {
                        "key": f"messages-{uuid4().hex}",
                        "at": at,
                        "ids": [delivery_id for delivery_id, _status in batch],
                        "statuses": [status for _delivery_id, status in batch],
                        "kinds": list(STATUS_TYPES),
                        "types": list(STATUS_TYPES.values()),
                    },
                )


def forget_subscriptions() -> None:
    """Drop the cache of this process; others see a new endpoint after some seconds."""
    _subscribed.forget()
