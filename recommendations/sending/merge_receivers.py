"""Keeps deliveries with their customer when customers are merged or split, and forgets what is personal when one is erased."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from recommendations.sending.changes import announce
from recommendations.sending.models import Delivery, OutboxMessage, PushSubscription
from recommendations.sending.tracking.reactions import recount_moved

LABEL = Delivery._meta.label_lower
REPLACED = "sending.replaced"  # deliveries of the kept customer that a delivery of the merged one replaced
MODELS = (OutboxMessage, PushSubscription)

# Of two deliveries of one origin, the one that has progressed further wins: the other must not be sent as well.
RANK_DOUBLES = """
WITH pair AS (
    SELECT * FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS row (kept, merged)
), owned AS (
    SELECT d.id, d.origin_kind, d.origin_id, d.status, d.customer_id, p.kept, p.merged FROM sending_delivery d
    JOIN pair p ON p.merged = d.customer_id
    UNION ALL
    SELECT d.id, d.origin_kind, d.origin_id, d.status, d.customer_id, p.kept, 0 FROM sending_delivery d
    JOIN (SELECT DISTINCT kept FROM pair) p ON p.kept = d.customer_id
), ranked AS (
    SELECT id, customer_id, kept, merged,
           row_number() OVER same AS position, first_value(id) OVER same AS winner,
           first_value(customer_id) OVER same AS winner_customer
    FROM owned
    WINDOW same AS (
        PARTITION BY origin_kind, origin_id, kept
        ORDER BY array_position(ARRAY['delivered', 'bounced', 'sent', 'uncertain', 'sending', 'failed', 'pending'], status::text)
                 NULLS LAST, merged, id
    )
)
SELECT id, customer_id, kept, winner, winner_customer FROM ranked WHERE position > 1
"""
SKIP_PENDING = """
UPDATE sending_delivery SET status = 'skipped', skip_reason = 'merged' WHERE id = ANY(%s) AND status = 'pending'
RETURNING id
"""
SET_CUSTOMERS = """
UPDATE sending_delivery d SET customer_id = row.customer_id
FROM unnest(%s::bigint[], %s::bigint[]) AS row (id, customer_id) WHERE d.id = row.id
"""
MOVE_DELIVERIES = """
UPDATE sending_delivery d SET customer_id = pair.kept
FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged)
WHERE d.customer_id = pair.merged AND d.id <> ALL(%(losers)s)
RETURNING pair.merged, d.id
"""


def move_deliveries(*, pairs: Sequence[tuple[int, int]], at: datetime, **_kwargs: Any) -> MovedRows:
    """Move the deliveries of merged customers; of two deliveries of one origin, only one is sent.

    The other one keeps or gets the ID of the merged customer, by which a revert finds it.
    """
    columns: dict[str, Any] = {"kept": [kept for kept, _m in pairs], "merged": [merged for _k, merged in pairs]}
    moved: dict[int, dict[str, list[Any]]] = move_rows(models=MODELS, pairs=pairs)
    with connection.cursor() as cursor:
        cursor.execute(RANK_DOUBLES, columns)
        losers = cursor.fetchall()
        cursor.execute(SKIP_PENDING, [[row[0] for row in losers]])
        skipped = [(delivery_id, "skipped") for (delivery_id,) in cursor.fetchall()]
        replaced = [
            (loser, winner_customer) for loser, owner, kept, _winner, winner_customer in losers if owner == kept
        ]
        # via negative IDs, because two deliveries of an origin cannot have the same customer even for a moment
        cursor.execute(SET_CUSTOMERS, [[loser for loser, _c in replaced], [-loser for loser, _c in replaced]])
        cursor.execute(MOVE_DELIVERIES, {**columns, "losers": [row[0] for row in losers]})
        moved_deliveries = cursor.fetchall()
        cursor.execute(SET_CUSTOMERS, [[loser for loser, _c in replaced], [customer for _l, customer in replaced]])
    for merged, delivery_id in moved_deliveries:
        moved.setdefault(merged, {}).setdefault(LABEL, []).append(delivery_id)
    for loser, customer in replaced:
        moved.setdefault(customer, {}).setdefault(REPLACED, []).append(loser)
    # segments counted the events of the kept customers while the deliveries were not theirs yet
    kept_by_merged = {merged: kept for kept, merged in pairs}
    owners = {delivery_id: [kept_by_merged[merged]] for merged, delivery_id in moved_deliveries}
    recount_moved({**owners, **{row[0]: [row[2]] for row in losers}})
    announce(skipped, at=at)
    return moved


def restore_deliveries(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    """Move back what `move_deliveries` moved."""
    replaced = [(loser, kept) for kept, _merged, rows in merges for loser in rows.get(REPLACED, ())]
    with connection.cursor() as cursor:
        cursor.execute(SET_CUSTOMERS, [[loser for loser, _k in replaced], [-loser for loser, _k in replaced]])
        restore_rows(models=(Delivery, *MODELS), merges=merges)
        cursor.execute(SET_CUSTOMERS, [[loser for loser, _k in replaced], [kept for _l, kept in replaced]])
    recount_moved(
        {
            delivery_id: [kept, merged]
            for kept, merged, rows in merges
            for label in (LABEL, REPLACED)
            for delivery_id in rows.get(label, ())
        }
    )


def forget_erased_customer(*, customer_id: int, **_kwargs: Any) -> None:
    """Delete the customer's messages; the deliveries stay with the products they showed, and pending ones are skipped."""
    for model in MODELS:
        model.objects.filter(customer_id=customer_id).delete()
    Delivery.objects.filter(customer_id=customer_id).update(event={})


def forget_deleted_customers(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    for model in MODELS:
        model.objects.filter(customer_id__in=customer_ids).delete()
    Delivery.objects.filter(customer_id__in=customer_ids).update(event={}, choices={})
