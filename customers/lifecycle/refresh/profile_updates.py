"""Updates profiles as events arrive, with the same figures as a refresh.

Everything runs in the caller's transaction; unlike in a refresh, facts at exactly ``as_of`` count. Events are added to the counters. Order
counters are recounted, because an order may change long after it was placed. RFM scores compare all customers, so they wait for the next
refresh.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from config.foundation.database.array_parameters import format_bigint_list
from customers.lifecycle.facts.counters import build_order_counter_queries
from customers.lifecycle.facts.histories import read_histories, to_microseconds
from customers.lifecycle.models import CustomerProfile, PendingRecount, Stage
from customers.lifecycle.refresh.columns import make_default_columns
from customers.lifecycle.refresh.profile_lock import try_share_profile_lock
from customers.lifecycle.refresh.writer import write_stages, write_transitions
from customers.lifecycle.scoring.stages.derivation import GapRule, StageThresholds, derive_stages
from customers.lifecycle.scoring.stages.gap_distribution import DEFAULT_DISTRIBUTION
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES
from customers.lifecycle.stages.freshness import find_time_limit
from customers.lifecycle.stages.rules import list_threshold_versions
from customers.warehouse.index_lookup import prefer_index_scans

RECOUNT_BATCH_SIZE = 5_000
MICROSECOND = timedelta(microseconds=1)

# Used until the first refresh has measured the shop's gaps. Stages derived with these leave no history, because there is no version of
# the rules that a stage change could refer to.
DEFAULT_THRESHOLDS = StageThresholds(
    version=0,
    second_gap_days=DEFAULT_QUANTILES.second_gap_days,
    median_gap_days=DEFAULT_QUANTILES.median_gap_days,
    active_gap_days=DEFAULT_QUANTILES.active_gap_days,
    dormant_gap_days=DEFAULT_QUANTILES.dormant_gap_days,
    gap_rule=GapRule(DEFAULT_DISTRIBUTION),
)

DEFAULTS = dict(make_default_columns())
INSERT_PROFILES = f"""
INSERT INTO lifecycle_customerprofile (customer_id, {", ".join(DEFAULTS)})
SELECT id, {", ".join(DEFAULTS.values())}
FROM identity_customer c
WHERE id = ANY(%(ids)s::bigint[]) AND erased_at IS NULL
  AND NOT EXISTS (SELECT FROM lifecycle_customerprofile p WHERE p.customer_id = c.id)
ORDER BY id
ON CONFLICT (customer_id) DO NOTHING
RETURNING customer_id
"""  # noqa: S608 — names and values of our own registry
# In the order of IDs, so that two recounts cannot wait for each other.
LOCK_PROFILES = """
SELECT FROM lifecycle_customerprofile WHERE customer_id = ANY(%(ids)s::bigint[]) ORDER BY customer_id FOR NO KEY UPDATE
"""

ORDER_COLUMNS = (
    "first_order_at",
    "last_order_at",
    "orders",
    "returns",
    "units",
    "revenue",
    "discounts",
    "average_order_value",
    "average_gap_days",
)
# Scores depend on these: if one changes, the scores are outdated, also if the order was placed before they were computed.
SCORED_COLUMNS = ("first_order_at", "last_order_at", "orders", "returns", "revenue")
UPDATE_ORDER_COUNTERS = sql.SQL("""
    WITH {queries}
    UPDATE lifecycle_customerprofile p
    SET ({columns}) = ROW ({values}), favorite_categories = COALESCE(k.favorites, '[]'),
        favorite_brands = COALESCE(b.favorites, '[]'), favorite_hours = COALESCE(h.favorites, '[]'),
        valued_at = CASE WHEN ROW ({scored}) IS NOT DISTINCT FROM ROW ({new_scored}) THEN p.valued_at END
    FROM lifecycle_order_counters t
    LEFT JOIN lifecycle_categories k USING (customer_id)
    LEFT JOIN lifecycle_brands b USING (customer_id)
    LEFT JOIN lifecycle_hours h USING (customer_id)
    WHERE t.customer_id = p.customer_id
""")

ADD_SESSIONS = """
INSERT INTO lifecycle_countedsession (customer_id, session_id)
SELECT customer_id, session_id FROM json_to_recordset(%s) AS row (customer_id bigint, session_id text)
ORDER BY customer_id, session_id COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING customer_id
"""
ADD_ACTIVITY = """
UPDATE lifecycle_customerprofile p
SET events = p.events + s.events, sessions = p.sessions + s.sessions,
    last_event_at = GREATEST(p.last_event_at, s.last_event_at)
FROM json_to_recordset(%s) AS s (customer_id bigint, events int, sessions int, last_event_at timestamptz)
WHERE p.customer_id = s.customer_id
"""

# Counts the same events as `counters.ACTIVITY`, but uses an index per identifier, where a refresh reads all events once.
RECOUNT_ACTIVITY = """
WITH activity AS (
    SELECT i.customer_id, e.session_id, LEAST(e.occurred_at, e.received_at) AS occurred_at
    FROM identity_identifier i
    JOIN events_event e ON e.user_id = i.value AND e.user_id <> ''
    WHERE i.kind = 'user_id' AND i.customer_id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
    UNION ALL
    SELECT i.customer_id, e.session_id, LEAST(e.occurred_at, e.received_at) AS occurred_at
    FROM identity_identifier i
    JOIN events_event e ON e.anonymous_id = i.value AND e.anonymous_id <> '' AND e.user_id = ''
    WHERE i.kind = 'anonymous_id' AND i.customer_id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
), deleted_sessions AS (
    DELETE FROM lifecycle_countedsession s
    WHERE s.customer_id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM activity a WHERE a.customer_id = s.customer_id AND a.session_id = s.session_id)
), new_sessions AS (
    INSERT INTO lifecycle_countedsession (customer_id, session_id)
    SELECT DISTINCT customer_id, session_id FROM activity WHERE session_id <> ''
    ON CONFLICT DO NOTHING
)
UPDATE lifecycle_customerprofile p
SET events = COALESCE(a.events, 0), sessions = COALESCE(a.sessions, 0), last_event_at = a.last_event_at
FROM unnest(%(ids)s::bigint[]) AS s (customer_id)
LEFT JOIN (
    SELECT customer_id, count(*) AS events, count(DISTINCT NULLIF(session_id, '')) AS sessions,
           max(occurred_at) AS last_event_at
    FROM activity GROUP BY customer_id
) AS a USING (customer_id)
WHERE p.customer_id = s.customer_id
"""

# A row that exists is locked until the commit: a recount that began before it would not see the changes of this transaction, and must
# leave the row.
QUEUE_RECOUNTS = """
INSERT INTO lifecycle_pendingrecount (customer_id)
SELECT DISTINCT id FROM unnest(%s::bigint[]) AS row (id) ORDER BY id
ON CONFLICT (customer_id) DO UPDATE SET customer_id = excluded.customer_id
"""
# SKIP LOCKED: several workers can recount at the same time, each its own customers.
TAKE_RECOUNTS = """
DELETE FROM lifecycle_pendingrecount WHERE customer_id IN (
    SELECT customer_id FROM lifecycle_pendingrecount ORDER BY customer_id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING customer_id
"""

READ_QUEUED = "SELECT customer_id, xmin::text::bigint FROM lifecycle_pendingrecount"
FORGET_QUEUED = """
DELETE FROM lifecycle_pendingrecount p
USING unnest(%s::bigint[], %s::bigint[]) AS queued (customer_id, version)
WHERE p.customer_id = queued.customer_id AND p.xmin::text::bigint = queued.version
  AND NOT EXISTS (SELECT FROM orders_order o WHERE o.customer_id = p.customer_id AND o.placed_at >= %s)
"""


@dataclass(slots=True)
class CustomerActivity:
    """The activity of one customer in some events. has_user: whether one of them has a user ID."""

    events: int
    last_event_at: datetime
    sessions: set[str]
    has_user: bool = False


def update_profiles(
    *, activity: Mapping[int, CustomerActivity], created: Iterable[int], ordered: Iterable[int], as_of: datetime
) -> int:
    """Update profiles with events that are being processed.

    Return the number recounted from all facts.
    The events are still in the outbox, so a recount from the facts leaves them out.

    Args:
        created: customers who were unknown before these events.
        ordered: customers whose orders have changed.
    """
    ordered = set(ordered)
    affected = sorted(activity.keys() | ordered)
    if not affected:
        return 0
    if not try_share_profile_lock():
        queue_recounts(affected)
        return 0
    created_profiles = create_missing_profiles(affected)
    # Customers who were imported since the last refresh have facts but had no profile, so their counters start with a full recount.
    without_counters = sorted(created_profiles - set(created))
    lock_profiles(sorted(ordered | set(without_counters)))
    recount_all_counters(without_counters, as_of=as_of)
    add_activity(activity)
    if ordered:
        recount_order_counters(sorted(ordered), as_of=as_of)
    update_stages(sorted(created_profiles | ordered | find_newly_identified(activity)), as_of=as_of)
    return len(without_counters)


def recount_customers(*, customer_ids: Sequence[int], as_of: datetime) -> None:
    """Recount all counters of some customers, as after a merge, and derive their stages.

    During a refresh they are queued until it ends. Events in the outbox count when they are processed.
    """
    ids = sorted(set(customer_ids))
    if not ids:
        return
    if not try_share_profile_lock():
        queue_recounts(ids)
        return
    create_missing_profiles(ids)
    lock_profiles(ids)
    recount_all_counters(ids, as_of=as_of)
    update_stages(ids, as_of=as_of)


def recount_pending(*, as_of: datetime, seconds: float | None = None) -> int:
    """Recount the queued customers in batches; return their number.

    as_of: the time of the first batch. Later batches are as of later times, because facts keep arriving.
    seconds: begin no further batch after this time; the customers of a large import then wait for the next call.
    """
    done, start = 0, time.monotonic()
    while PendingRecount.objects.exists():
        with transaction.atomic():
            if not try_share_profile_lock():
                break  # the next refresh has started; it recounts them when it ends
            with connection.cursor() as cursor:
                cursor.execute(TAKE_RECOUNTS, [RECOUNT_BATCH_SIZE])
                ids = [customer_id for (customer_id,) in cursor.fetchall()]
            if not ids:
                break
            recount_customers(customer_ids=ids, as_of=as_of + timedelta(seconds=time.monotonic() - start))
        done += len(ids)
        if seconds is not None and time.monotonic() - start >= seconds:
            break
    return done


def queue_recounts(customer_ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_RECOUNTS, [format_bigint_list(customer_ids)])


def queue_after_order_change(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    """Queue the customers of orders that were not sent as events; event processing recounts them within seconds."""
    queue_recounts(customer_ids)


def read_queued_recounts() -> list[tuple[int, int]]:
    """Return the queued customers, each with the version of its row, which changes if the customer is queued again."""
    with connection.cursor() as cursor:
        cursor.execute(READ_QUEUED)
        return cursor.fetchall()


def forget_recounts(queued: Sequence[tuple[int, int]], *, as_of: datetime) -> None:
    """Remove customers from the queue whom a refresh has counted.

    Those stay who were queued again since ``read_queued_recounts``, or have orders that are later than the refresh counts.
    """
    if queued:
        customer_ids, versions = zip(*queued, strict=True)
        parameters: list[Any] = [format_bigint_list(customer_ids), format_bigint_list(versions), as_of]
        with connection.cursor() as cursor:
            cursor.execute(FORGET_QUEUED, parameters)


def create_missing_profiles(customer_ids: Sequence[int]) -> set[int]:
    """Create empty profiles for customers without one, except erased ones; return their IDs."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT_PROFILES, {"ids": format_bigint_list(customer_ids)})
        return {customer_id for (customer_id,) in cursor.fetchall()}


def lock_profiles(customer_ids: Sequence[int]) -> None:
    """Lock profiles until the transaction ends, so that no concurrent update overtakes the recount."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_PROFILES, {"ids": format_bigint_list(customer_ids)})


def recount_all_counters(customer_ids: Sequence[int], *, as_of: datetime) -> None:
    if not customer_ids:
        return
    recount_order_counters(customer_ids, as_of=as_of)
    with prefer_index_scans(), connection.cursor() as cursor:
        cursor.execute(RECOUNT_ACTIVITY, {"ids": format_bigint_list(customer_ids)})


def add_activity(activity: Mapping[int, CustomerActivity]) -> None:
    if not activity:
        return
    pairs = [
        {"customer_id": customer_id, "session_id": session}
        for customer_id, customer_activity in activity.items()
        for session in customer_activity.sessions
    ]
    new_sessions = dict.fromkeys(activity, 0)
    # One JSON text instead of an array per column, of which psycopg would quote every element.
    with connection.cursor() as cursor:
        if pairs:
            cursor.execute(ADD_SESSIONS, [json.dumps(pairs)])
            for (customer_id,) in cursor.fetchall():
                new_sessions[customer_id] += 1
        rows = [
            {
                "customer_id": customer_id,
                "events": customer_activity.events,
                "sessions": new_sessions[customer_id],
                "last_event_at": customer_activity.last_event_at.isoformat(),
            }
            for customer_id, customer_activity in activity.items()
        ]
        cursor.execute(ADD_ACTIVITY, [json.dumps(rows)])


def recount_order_counters(customer_ids: Sequence[int], *, as_of: datetime) -> None:
    """Recount the order counters in one statement.

    The counter queries are its common table expressions.
    """
    queries = sql.SQL(", ").join(
        sql.SQL("{} AS MATERIALIZED ({})").format(sql.Identifier(name), query)
        for name, query in build_order_counter_queries(as_of=as_of + MICROSECOND, customer_ids=customer_ids).items()
    )
    statement = UPDATE_ORDER_COUNTERS.format(
        queries=queries,
        columns=sql.SQL(", ").join(map(sql.Identifier, ORDER_COLUMNS)),
        values=sql.SQL(", ").join(sql.Identifier("t", name) for name in ORDER_COLUMNS),
        scored=sql.SQL(", ").join(sql.Identifier("p", name) for name in SCORED_COLUMNS),
        new_scored=sql.SQL(", ").join(sql.Identifier("t", name) for name in SCORED_COLUMNS),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)


def find_newly_identified(activity: Mapping[int, CustomerActivity]) -> set[int]:
    """Return the visitors among the customers whose events have a user ID."""
    identified = [customer_id for customer_id, customer_activity in activity.items() if customer_activity.has_user]
    if not identified:
        return set()
    visitors = CustomerProfile.objects.filter(customer_id__in=identified, stage=Stage.VISITOR)
    return set(visitors.values_list("customer_id", flat=True))


def update_stages(customer_ids: Sequence[int], *, as_of: datetime) -> None:
    if not customer_ids:
        return
    until = as_of + MICROSECOND
    histories = read_histories(as_of=until, customer_ids=customer_ids)
    versions = list_threshold_versions()
    stage_histories = derive_stages(
        histories=histories,
        versions=versions or [DEFAULT_THRESHOLDS],
        as_of=to_microseconds(until),
        time_limit=find_time_limit(as_of=until),
    )
    if versions:
        write_transitions(stage_histories=stage_histories, customer_ids=histories.customer.tolist())
    write_stages(histories=histories, stage_histories=stage_histories)
