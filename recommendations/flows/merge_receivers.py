"""Keeps flows consistent when customers are merged, erased or deleted: a person is in a flow only once and gets a message only once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from recommendations.flows.execution.stays import StepCounts, add_counts
from recommendations.flows.models import FlowEntry
from recommendations.sending.queue import cancel

MERGED = FlowEntry.Status.MERGED.value
ERASED = FlowEntry.Status.ERASED.value

# The first of several active stays in a flow remains. Even that one ends if the flow allows only one entry and either customer was in it before.
END_DUPLICATES = """
WITH pair AS (
    SELECT kept, merged FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS row (kept, merged)
), person AS (
    SELECT kept, merged AS customer_id FROM pair UNION SELECT kept, kept FROM pair
), stay AS (
    SELECT e.id, e.flow_id, e.status, person.kept, v.definition #>> '{reentry,rule}' AS rule,
           row_number() OVER (PARTITION BY e.flow_id, person.kept, e.status = 'active' ORDER BY e.triggered_at, e.id) AS position
    FROM person JOIN flows_flowentry e ON e.customer_id = person.customer_id
    JOIN flows_flowversion v ON v.id = e.version_id
), doubled AS (
    SELECT s.id FROM stay s
    WHERE s.status = 'active' AND (
        s.position > 1 OR (s.rule = 'never' AND EXISTS (
            SELECT FROM stay other WHERE other.flow_id = s.flow_id AND other.kept = s.kept AND other.status NOT IN ('active', 'merged')
        ))
    )
)
UPDATE flows_flowentry e SET status = 'merged', finished_at = %(at)s FROM doubled
WHERE e.id = doubled.id RETURNING e.version_id, e.step_key
"""
# messages of the same step to both customers: the later one is canceled if it has not been sent
FIND_DUPLICATE_MESSAGES = """
SELECT d.id, d.origin_id FROM (
    SELECT d.id, d.origin_id, d.status, row_number() OVER (
        PARTITION BY e.flow_id, r.step_key, COALESCE(pair.kept, e.customer_id)
        ORDER BY d.status IN ('pending', 'sending'), d.id
    ) AS position
    FROM flows_flowentry e
    LEFT JOIN unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged) ON pair.merged = e.customer_id
    JOIN flows_flowsteprun r ON r.entry_id = e.id
    JOIN sending_delivery d ON d.origin_kind = 'flow' AND d.origin_id = r.id
    WHERE e.customer_id = ANY(%(all)s::bigint[]) AND d.status IN ('pending', 'sending', 'sent', 'delivered') AND r.at > %(at)s - interval '7 days'
) AS d
WHERE d.position > 1 AND d.status = 'pending'
"""
# locked signals are being processed: the processing waits for the merge and then looks up the kept customer
MOVE_SIGNALS = """
UPDATE flows_flowsignal s SET customer_id = pair.kept
FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged)
WHERE s.customer_id = pair.merged AND s.id IN (
    SELECT id FROM flows_flowsignal WHERE customer_id = ANY(%(merged)s::bigint[]) FOR UPDATE SKIP LOCKED
)
"""
DELETE_MATCHES = "DELETE FROM flows_flowmatch WHERE customer_id = ANY(%s::bigint[])"
DELETE_SIGNALS = """
DELETE FROM flows_flowsignal WHERE id IN (
    SELECT id FROM flows_flowsignal WHERE customer_id = ANY(%s::bigint[]) FOR UPDATE SKIP LOCKED
)
"""
END_STAYS = """
UPDATE flows_flowentry SET status = %(status)s, finished_at = COALESCE(finished_at, now())
WHERE customer_id = ANY(%(ids)s::bigint[]) AND status = 'active' RETURNING version_id, step_key
"""
FORGET_EVENTS = "UPDATE flows_flowentry SET event = '{}', occurrence = '' WHERE customer_id = ANY(%s::bigint[])"


def move_stays(*, pairs: Sequence[tuple[int, int]], at: datetime, **_kwargs: Any) -> MovedRows:
    """Move the stays of merged customers to the kept ones. Receiver of ``customers_merged``."""
    columns: dict[str, Any] = {"kept": [kept for kept, _merged in pairs], "merged": [merged for _kept, merged in pairs]}
    with connection.cursor() as cursor:
        cursor.execute(END_DUPLICATES, {**columns, "at": at})
        count_ended(cursor.fetchall(), MERGED)
        cursor.execute(MOVE_SIGNALS, columns)
        cursor.execute(DELETE_MATCHES, [format_bigint_list(columns["merged"])])
    cancel_doubled_messages(columns, at)
    return move_rows(models=(FlowEntry,), pairs=pairs)


def cancel_doubled_messages(columns: Mapping[str, list[int]], at: datetime) -> None:
    everyone = format_bigint_list({*columns["kept"], *columns["merged"]})
    with connection.cursor() as cursor:
        cursor.execute(FIND_DUPLICATE_MESSAGES, {**columns, "all": everyone, "at": at})
        origins = [origin_id for _delivery_id, origin_id in cursor.fetchall()]
    for origin_id in origins:
        cancel("flow", origin_id)


def restore_stays(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    """Move stays back when a merge is undone; those that the merge ended stay ended. Receiver of ``merge_reverted``."""
    restore_rows(models=(FlowEntry,), merges=merges)


def end_erased_stays(*, customer_id: int, **_kwargs: Any) -> None:
    """End the stays of an erased customer and forget what started them. Receiver of ``customer_erased``."""
    forget_customers([customer_id])


def end_deleted_stays(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    """End the stays of customers who are deleted. Receiver of ``customers_deleted``."""
    forget_customers(customer_ids)


def forget_customers(customer_ids: Sequence[int]) -> None:
    ids = format_bigint_list(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute(END_STAYS, {"ids": ids, "status": ERASED})
        ended = cursor.fetchall()
        cursor.execute(FORGET_EVENTS, [ids])
        cursor.execute(DELETE_SIGNALS, [ids])
        cursor.execute(DELETE_MATCHES, [ids])
    count_ended(ended, ERASED)


def count_ended(ended: Sequence[tuple[int, str]], status: str) -> None:
    counts: StepCounts = Counter()
    for version_id, step_key in ended:
        counts[version_id, step_key, status] += 1
        counts[version_id, "", status] += 1
    add_counts(counts)
