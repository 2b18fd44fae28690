"""Keeps profiles in step with what happens, between two refreshes: the same figures from the same facts.

Everything here runs in the caller's transaction; what happened at the very moment ``as_of`` counts. Events are added to the
counters; what orders say is counted anew for those concerned, for an order may change long after it was placed. RFM scores compare
everybody and wait for the next refresh.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from psycopg import sql

from customers.lifecycle.facts.counters import trade_queries
from customers.lifecycle.facts.histories import microseconds, read_histories
from customers.lifecycle.models import CustomerProfile, RecountDue, Stage
from customers.lifecycle.refresh.profile_lock import may_write
from customers.lifecycle.refresh.writer import write_stages, write_transitions
from customers.lifecycle.scoring.stages.derivation import Thresholds, derive_stages
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES
from customers.lifecycle.stages.rules import all_versions
from customers.warehouse.index_lookup import by_index

RECOUNTED_AT_ONCE = 5_000
INSTANT = timedelta(microseconds=1)

# until the first refresh has measured the shop's own rhythm; stages told by these leave no history
FIRST_THRESHOLDS = Thresholds(
    version=0,
    second_gap_days=DEFAULT_QUANTILES.second_gap_days,
    median_gap_days=DEFAULT_QUANTILES.median_gap_days,
    active_gap_days=DEFAULT_QUANTILES.active_gap_days,
    dormant_gap_days=DEFAULT_QUANTILES.dormant_gap_days,
)

MAKE_PROFILES = """
INSERT INTO lifecycle_customerprofile (
    customer_id, orders, returns, units, revenue, discounts, events, sessions, favourite_categories, favourite_brands,
    favourite_hours, rfm_group, rfm_group_window, orders_window, revenue_window, rfm_months, rfm_months_window, next_order_reason,
    next_category, stage
)
SELECT id, 0, 0, 0, 0, 0, 0, 0, '[]', '[]', '[]', '', '', 0, 0, 0, 0, '', '', %(stage)s
FROM identity_customer c
WHERE id = ANY(%(ids)s::bigint[]) AND erased_at IS NULL
  AND NOT EXISTS (SELECT FROM lifecycle_customerprofile p WHERE p.customer_id = c.id)
ORDER BY id
ON CONFLICT (customer_id) DO NOTHING
RETURNING customer_id
"""
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
WRITE_TRADE = sql.SQL("""
    WITH {queries}
    UPDATE lifecycle_customerprofile p
    SET ({columns}) = ROW ({values}), favourite_categories = COALESCE(k.favourites, '[]'),
        favourite_brands = COALESCE(b.favourites, '[]'), favourite_hours = COALESCE(h.favourites, '[]')
    FROM lifecycle_trade t
    LEFT JOIN lifecycle_categories k USING (customer_id)
    LEFT JOIN lifecycle_brands b USING (customer_id)
    LEFT JOIN lifecycle_hours h USING (customer_id)
    WHERE t.customer_id = p.customer_id
""")

ADD_SESSIONS = """
INSERT INTO lifecycle_seensession (customer_id, session_id)
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

# by index for each identifier, where a refresh reads all events once; the same events count
ACTIVITY_OF_SOME = """
WITH activity AS (
    SELECT i.customer_id, e.session_id, e.occurred_at
    FROM identity_identifier i
    JOIN events_event e ON e.user_id = i.value AND e.user_id <> ''
    WHERE i.kind = 'user_id' AND i.customer_id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
    UNION ALL
    SELECT i.customer_id, e.session_id, e.occurred_at
    FROM identity_identifier i
    JOIN events_event e ON e.anonymous_id = i.value AND e.anonymous_id <> '' AND e.user_id = ''
    WHERE i.kind = 'anonymous_id' AND i.customer_id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
), gone AS (
    DELETE FROM lifecycle_seensession s
    WHERE s.customer_id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM activity a WHERE a.customer_id = s.customer_id AND a.session_id = s.session_id)
), come AS (
    INSERT INTO lifecycle_seensession (customer_id, session_id)
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

NOTE_DUE = """
INSERT INTO lifecycle_recountdue (customer_id)
SELECT DISTINCT id FROM unnest(%s::bigint[]) AS row (id) ORDER BY id ON CONFLICT DO NOTHING
"""
TAKE_DUE = """
DELETE FROM lifecycle_recountdue WHERE customer_id IN (
    SELECT customer_id FROM lifecycle_recountdue ORDER BY customer_id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING customer_id
"""


@dataclass(slots=True)
class Activity:
    """What some events say of one customer. ``identified``: one of them named a user."""

    events: int
    last_event_at: datetime
    sessions: set[str]
    identified: bool = False


def follow(*, activity: Mapping[int, Activity], created: Iterable[int], ordered: Iterable[int], as_of: datetime) -> int:
    """Brings profiles up to date with events that are being processed; how many were counted anew from all their facts.

    The events still stand on the outbox, so whoever counts from the facts leaves them out.

    Args:
        created: customers who were unknown before these events.
        ordered: customers whose orders have changed.
    """
    ordered = set(ordered)
    touched = sorted(activity.keys() | ordered)
    if not touched:
        return 0
    if not may_write():
        note_due(touched)
        return 0
    made = make_profiles(touched)
    # a profile is there from a customer's first event on, but for those that came by other ways since the last refresh
    unseen = sorted(made - set(created))
    lock_profiles(sorted(ordered | set(unseen)))
    count_all(unseen, as_of=as_of)
    add_activity(activity)
    if ordered:
        write_trade(sorted(ordered), as_of=as_of)
    tell_stages(sorted(made | ordered | newly_identified(activity)), as_of=as_of)
    return len(unseen)


def recount(*, customer_ids: Sequence[int], as_of: datetime) -> None:
    """Counts everything about some customers anew from the facts, as after a merge, and tells their stage.

    While everybody is refreshed their turn comes after it. Events that wait to be processed count when they are.
    """
    ids = sorted(set(customer_ids))
    if not ids:
        return
    if not may_write():
        note_due(ids)
        return
    make_profiles(ids)
    lock_profiles(ids)
    count_all(ids, as_of=as_of)
    tell_stages(ids, as_of=as_of)


def recount_due(*, as_of: datetime) -> int:
    """Counts those anew whose turn had to wait for a refresh; how many they were."""
    done = 0
    while RecountDue.objects.exists():
        with transaction.atomic():
            if not may_write():
                break
            with connection.cursor() as cursor:
                cursor.execute(TAKE_DUE, [RECOUNTED_AT_ONCE])
                ids = [customer_id for (customer_id,) in cursor.fetchall()]
            if not ids:
                break
            recount(customer_ids=ids, as_of=as_of)
        done += len(ids)
    return done


def note_due(customer_ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOTE_DUE, [id_array(customer_ids)])


def make_profiles(customer_ids: Sequence[int]) -> set[int]:
    """Those who had none and are not erased get an empty profile."""
    with connection.cursor() as cursor:
        cursor.execute(MAKE_PROFILES, {"ids": id_array(customer_ids), "stage": Stage.VISITOR})
        return {customer_id for (customer_id,) in cursor.fetchall()}


def lock_profiles(customer_ids: Sequence[int]) -> None:
    """Until the transaction ends nobody else changes them: what is counted next cannot be overtaken."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_PROFILES, {"ids": id_array(customer_ids)})


def count_all(customer_ids: Sequence[int], *, as_of: datetime) -> None:
    if not customer_ids:
        return
    write_trade(customer_ids, as_of=as_of)
    with by_index(), connection.cursor() as cursor:
        cursor.execute(ACTIVITY_OF_SOME, {"ids": id_array(customer_ids)})


def add_activity(activity: Mapping[int, Activity]) -> None:
    if not activity:
        return
    pairs = [
        {"customer_id": customer_id, "session_id": session}
        for customer_id, found in activity.items()
        for session in found.sessions
    ]
    new_sessions = dict.fromkeys(activity, 0)
    # one JSON text instead of an array for each column: psycopg would quote every element by itself
    with connection.cursor() as cursor:
        if pairs:
            cursor.execute(ADD_SESSIONS, [json.dumps(pairs)])
            for (customer_id,) in cursor.fetchall():
                new_sessions[customer_id] += 1
        rows = [
            {
                "customer_id": customer_id,
                "events": found.events,
                "sessions": new_sessions[customer_id],
                "last_event_at": found.last_event_at.isoformat(),
            }
            for customer_id, found in activity.items()
        ]
        cursor.execute(ADD_ACTIVITY, [json.dumps(rows)])


def write_trade(customer_ids: Sequence[int], *, as_of: datetime) -> None:
    """What orders say, in one statement: the queries of a refresh as its common table expressions."""
    queries = sql.SQL(", ").join(
        sql.SQL("{} AS MATERIALIZED ({})").format(sql.Identifier(name), query)
        for name, query in trade_queries(as_of=as_of + INSTANT, customer_ids=customer_ids).items()
    )
    statement = WRITE_TRADE.format(
        queries=queries,
        columns=sql.SQL(", ").join(map(sql.Identifier, ORDER_COLUMNS)),
        values=sql.SQL(", ").join(sql.Identifier("t", name) for name in ORDER_COLUMNS),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)


def id_array(ids: Iterable[int]) -> str:
    """As PostgreSQL writes an array."""
    return "{" + ",".join(map(str, ids)) + "}"


def newly_identified(activity: Mapping[int, Activity]) -> set[int]:
    """Visitors who gave their name just now."""
    named = [customer_id for customer_id, found in activity.items() if found.identified]
    if not named:
        return set()
    visitors = CustomerProfile.objects.filter(customer_id__in=named, stage=Stage.VISITOR)
    return set(visitors.values_list("customer_id", flat=True))


def tell_stages(customer_ids: Sequence[int], *, as_of: datetime) -> None:
    if not customer_ids:
        return
    until = as_of + INSTANT
    histories = read_histories(as_of=until, customer_ids=customer_ids)
    versions = all_versions()
    stories = derive_stages(histories=histories, versions=versions or [FIRST_THRESHOLDS], as_of=microseconds(until))
    if versions:
        write_transitions(stories=stories, customer_ids=histories.customer.tolist())
    write_stages(histories=histories, stories=stories)
