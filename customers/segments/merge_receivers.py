"""Moves static memberships and recounts events when customers are merged, when a merge is reverted, and when events were removed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from customers.segments.event_counts.counting import forget_customers, recount_events
from customers.segments.models import SegmentMember

DUPLICATES = "segments.doubled"  # segments that both customers were in: [segment, when the merged customer was added]

# of several customers merged into the same one, the earliest membership remains
DELETE_DUPLICATES = """
WITH pair AS (
    SELECT * FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS row (kept, merged)
), ranked AS (
    SELECT m.id, m.segment_id, m.added_at, pair.merged,
           row_number() OVER (PARTITION BY m.segment_id, pair.kept ORDER BY m.added_at, m.id) AS position,
           EXISTS (
               SELECT FROM segments_segmentmember k WHERE k.segment_id = m.segment_id AND k.customer_id = pair.kept
           ) AS is_member
    FROM segments_segmentmember m JOIN pair ON pair.merged = m.customer_id
)
DELETE FROM segments_segmentmember m USING ranked
WHERE m.id = ranked.id AND (ranked.is_member OR ranked.position > 1)
RETURNING ranked.merged, m.segment_id, to_jsonb(m.added_at) #>> '{}'
"""
RESTORE_DUPLICATES = """
INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
SELECT row.segment_id, row.customer_id, row.added_at
FROM unnest(%(segment)s::bigint[], %(customer)s::bigint[], %(added)s::timestamptz[])
     AS row (segment_id, customer_id, added_at)
JOIN segments_segment s ON s.id = row.segment_id
ON CONFLICT DO NOTHING
"""


def move_memberships(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    columns = {"kept": [kept for kept, _merged in pairs], "merged": [merged for _kept, merged in pairs]}
    with connection.cursor() as cursor:
        # before the move, which would violate the unique constraint of segment and customer
        cursor.execute(DELETE_DUPLICATES, columns)
        duplicates = cursor.fetchall()
    moved: dict[int, dict[str, list[Any]]] = move_rows(models=(SegmentMember,), pairs=pairs)
    for merged, segment_id, added_at in duplicates:
        moved.setdefault(merged, {}).setdefault(DUPLICATES, []).append([segment_id, added_at])
    return moved


def restore_memberships(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=(SegmentMember,), merges=merges)
    memberships = [
        (segment_id, merged, added_at)
        for _kept, merged, rows in merges
        for segment_id, added_at in rows.get(DUPLICATES, ())
    ]
    if memberships:
        segments, customers, added = map(list, zip(*memberships, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(RESTORE_DUPLICATES, {"segment": segments, "customer": customers, "added": added})


def recount_after_merge(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> None:
    """Count the events of the kept customers again, now that the identifiers are theirs; triggers queue their orders."""
    forget_customers([merged for _kept, merged in pairs])
    recount_events([kept for kept, _merged in pairs])


def recount_after_revert(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    recount_events([customer_id for kept, merged, _rows in merges for customer_id in (kept, merged)])


def recount_after_change(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    recount_events(customer_ids)


def forget_erased_customer(*, customer_id: int, **_kwargs: Any) -> None:
    forget_customers([customer_id])


def forget_deleted_customers(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    forget_customers(customer_ids)
