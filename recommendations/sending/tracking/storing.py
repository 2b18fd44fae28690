"""Stores opens, clicks and feedback of providers in bulk; the same report counts once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from config.foundation.valkey import ValkeyDownError
from recommendations.sending.models import Delivery, DeliveryEvent
from recommendations.sending.tracking.entries import TrackedEntry, add_entry, read_entries, remove_entries
from recommendations.sending.tracking.machine_opens import find_machine_entries
from recommendations.sending.tracking.reactions import (
    FirstReactions,
    count_reactions,
    prepare_counts,
    report_reactions,
)

Kind = DeliveryEvent.Kind
BATCH = 2000

# Times are those of the first event of a kind; a click by a person is an open by a person too.
UPDATE_DELIVERIES = """
WITH row AS MATERIALIZED (
    SELECT delivery_id,
           min(at) FILTER (WHERE kind IN ('open', 'click') AND NOT is_machine) AS opened,
           min(at) FILTER (WHERE kind = 'open' AND is_machine) AS machine_opened,
           min(at) FILTER (WHERE kind = 'click' AND NOT is_machine) AS clicked,
           min(at) FILTER (WHERE kind = 'delivered') AS delivered,
           min(at) FILTER (WHERE kind = 'hard_bounce') AS bounced,
           min(at) FILTER (WHERE kind = 'complaint') AS complained,
           min(at) FILTER (WHERE kind = 'unsubscribe') AS unsubscribed
    FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::boolean[]) AS event (delivery_id, kind, at, is_machine)
    GROUP BY delivery_id
), old AS MATERIALIZED (
    SELECT id, opened_at, clicked_at FROM sending_delivery
    WHERE id IN (SELECT delivery_id FROM row) ORDER BY id FOR NO KEY UPDATE
)
UPDATE sending_delivery d
SET opened_at = LEAST(d.opened_at, row.opened), machine_opened_at = LEAST(d.machine_opened_at, row.machine_opened),
    clicked_at = LEAST(d.clicked_at, row.clicked), delivered_at = LEAST(d.delivered_at, row.delivered),
    bounced_at = LEAST(d.bounced_at, row.bounced), complained_at = LEAST(d.complained_at, row.complained),
    unsubscribed_at = LEAST(d.unsubscribed_at, row.unsubscribed),
    status = CASE WHEN row.bounced IS NOT NULL AND d.status IN ('sent', 'delivered', 'uncertain', 'failed') THEN 'bounced'
                  WHEN row.delivered IS NOT NULL AND d.status IN ('sent', 'uncertain') THEN 'delivered' ELSE d.status END
FROM row JOIN old ON old.id = row.delivery_id
WHERE d.id = row.delivery_id
RETURNING d.id, d.customer_id, d.channel, d.origin_kind = 'test',
          CASE WHEN old.opened_at IS NULL THEN d.opened_at END, CASE WHEN old.clicked_at IS NULL THEN d.clicked_at END
"""


@dataclass(frozen=True)
class FeedbackEvent:
    """What happened to a delivery, with the key of the report."""

    key: str
    delivery_id: int
    kind: str
    at: datetime
    is_machine: bool = False
    url: str = ""
    detail: str = ""


def record_entry(entry: TrackedEntry) -> None:
    """Record an open or click: through Valkey, or immediately while Valkey is down."""
    if not add_entry(entry):
        store_entries([entry])


def store_waiting_entries() -> int:
    """Move the entries from Valkey to the database; return how many. After a crash, entries are stored again and count once."""
    stored = 0
    try:
        while entries := read_entries(BATCH):
            store_entries(entries)
            remove_entries(len(entries))
            stored += len(entries)
    except ValkeyDownError:
        pass
    return stored


def store_entries(entries: Sequence[TrackedEntry]) -> None:
    """Store opens and clicks, and mark those made by machines."""
    sent_at = {
        delivery_id: at
        for delivery_id, at in Delivery.objects.filter(pk__in={entry.delivery_id for entry in entries}).values_list(
            "pk", "sent_at"
        )
        if at is not None
    }
    machines = find_machine_entries(entries, sent_at=sent_at)
    store_events(
        [
            FeedbackEvent(
                f"{entry.key}:m" if position in machines else entry.key,
                entry.delivery_id,
                entry.kind,
                entry.at,
                is_machine=position in machines,
                url=entry.url[:2000],
            )
            for position, entry in enumerate(entries)
        ]
    )


def store_events(events: Sequence[FeedbackEvent]) -> None:
    """Store events, update their deliveries, and count the opens and clicks by people, in one transaction."""
    if not events:
        return
    reactions = [event for event in events if event.kind in (Kind.OPEN, Kind.CLICK) and not event.is_machine]
    with transaction.atomic(), connection.cursor() as cursor:
        locked = prepare_counts({event.delivery_id for event in reactions}) if reactions else set()
        DeliveryEvent.objects.bulk_create(
            [
                DeliveryEvent(
                    key=event.key[:100],
                    delivery_id=event.delivery_id,
                    kind=event.kind,
                    at=event.at,
                    is_machine=event.is_machine,
                    url=event.url,
                    detail=event.detail[:255],
                )
                for event in events
            ],
            ignore_conflicts=True,
        )
        ordered = sorted(events, key=lambda event: event.delivery_id)
        cursor.execute(
            UPDATE_DELIVERIES,
            [
                [event.delivery_id for event in ordered],
                [str(event.kind) for event in ordered],
                [event.at for event in ordered],
                [event.is_machine for event in ordered],
            ],
        )
        if reactions:
            deliveries = [FirstReactions(*row) for row in cursor.fetchall()]
            count_reactions(deliveries, customer_ids=locked)
            report_reactions(
                [(event.key, event.delivery_id, event.kind, event.at, event.url) for event in reactions], deliveries
            )
