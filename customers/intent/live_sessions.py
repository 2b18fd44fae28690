"""Reads what visitors have done in their current session from the stored events, whether or not these have been processed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from config.foundation.array_types import Ints
from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.shop.profile import get_time_zone
from customers.intent.event_kinds import find_device, find_kind
from customers.intent.history_reading import index_categories, read_local_hours
from customers.intent.prediction.features import LOOKBACK_DAYS, MAX_ORDERS
from customers.intent.prediction.session_events import GAP, GAP_SECONDS, UNKNOWN, Orderings, SessionEvents

MAX_EVENTS = 300  # the latest ones of an identifier
USER, VISITOR = "user_id", "anonymous_id"
# compared with the time of receipt, so that an event that arrives late, such as from an app that was offline, is found on arrival
ACTIVE = timedelta(seconds=GAP_SECONDS)

READ_NAMES = """
SELECT i.customer_id, i.kind, i.value FROM identity_identifier i JOIN identity_customer c ON c.id = i.customer_id
WHERE i.customer_id = ANY(%s::bigint[]) AND i.kind IN ('user_id', 'anonymous_id') AND c.erased_at IS NULL
"""
FIND_OWNER = """
SELECT c.id, c.erased_at FROM identity_identifier i JOIN identity_customer c ON c.id = i.customer_id
WHERE i.kind = %s AND i.value = %s
"""
FIND_DENIED = """
SELECT DISTINCT row.person FROM unnest(%(people)s::bigint[], %(kinds)s::text[], %(values)s::text[]) AS row (person, kind, value)
JOIN identity_consentdenial d ON d.kind = row.kind AND d.value = row.value
"""
# As in the warehouse, an event with a user ID is that of the user. What was received before the look-back is in other partitions.
SELECT_EVENTS = """
SELECT row.person, e.id, least(e.occurred_at, e.received_at), e.name, p.id, c.path, e.context #>> '{{device,type}}'
FROM unnest(%({people})s::bigint[], %({values})s::text[]) AS row (person, value)
CROSS JOIN LATERAL (
    SELECT id, occurred_at, received_at, name, product_ids, context FROM events_event
    WHERE {owner} AND occurred_at >= %(since)s AND received_at >= %(since)s AND type IN ('track', 'page', 'screen')
    ORDER BY occurred_at DESC LIMIT %(limit)s
) e
LEFT JOIN catalog_product p ON p.product_id = e.product_ids[1]
LEFT JOIN catalog_category c ON c.id = p.category_id
"""
READ_EVENTS = " UNION ALL ".join(
    (
        SELECT_EVENTS.format(people="user_people", values="user_values", owner="user_id = row.value AND user_id <> ''"),
        SELECT_EVENTS.format(
            people="visitor_people",
            values="visitor_values",
            owner="anonymous_id = row.value AND anonymous_id <> '' AND user_id = ''",
        ),
    )
)
READ_ORDERS = """
SELECT row.customer_id, o.placed_at FROM unnest(%s::bigint[]) AS row (customer_id)
CROSS JOIN LATERAL (
    SELECT placed_at FROM orders_order
    WHERE customer_id = row.customer_id AND kind = 'sale' AND status <> 'cancelled'
    ORDER BY placed_at DESC LIMIT %s
) o
"""
FIND_ACTIVE = """
SELECT DISTINCT COALESCE(u.customer_id, a.customer_id)
FROM (
    SELECT DISTINCT user_id, anonymous_id FROM events_event
    WHERE received_at >= %(since)s AND received_at <= %(now)s AND type IN ('track', 'page', 'screen')
) e
LEFT JOIN identity_identifier u ON u.kind = 'user_id' AND u.value = e.user_id AND e.user_id <> ''
LEFT JOIN identity_identifier a ON a.kind = 'anonymous_id' AND a.value = e.anonymous_id AND e.anonymous_id <> ''
WHERE u.customer_id IS NOT NULL OR a.customer_id IS NOT NULL
"""


@dataclass(frozen=True)
class VisitorNames:
    """The identifiers of people as (person, kind, value); a person is a number: the customer number, or 0 for an unknown visitor.

    denied: the people who deny analytics or personalization, whose identifiers are left out.
    """

    names: Sequence[tuple[int, str, str]]
    denied: Collection[int] = ()

    def select(self, kind: str) -> tuple[list[int], list[str]]:
        """Return the people and values of one kind of identifier."""
        rows = [(person, value) for person, found, value in self.names if found == kind]
        return [row[0] for row in rows], [row[1] for row in rows]


@dataclass(frozen=True, eq=False)
class LiveEvents:
    """Recent events of some people. people: their numbers, (p,), ascending; the events and orders refer to them by row."""

    people: Ints
    events: SessionEvents
    orders: Orderings


def find_owner(kind: str, value: str) -> tuple[int | None, bool]:
    """Return the customer with an identifier, None if there is none, and whether that customer was erased."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_OWNER, [kind, value])
        row = cursor.fetchone()
    return (None, False) if row is None else (row[0], row[1] is not None)


def read_names(customer_ids: Collection[int]) -> VisitorNames:
    """Return the identifiers of customers without those who deny analytics or personalization."""
    with connection.cursor() as cursor:
        cursor.execute(READ_NAMES, [format_bigint_list(customer_ids)])
        names = cursor.fetchall()
    denied = find_denied(names)
    return VisitorNames([name for name in names if name[0] not in denied], denied)


def find_denied(names: Sequence[tuple[int, str, str]]) -> set[int]:
    """Return the people who have an identifier with a denied purpose."""
    if not names:
        return set()
    people, kinds, values = map(list, zip(*names, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(FIND_DENIED, {"people": people, "kinds": kinds, "values": values})
        return {row[0] for row in cursor.fetchall()}


def find_active_customers(*, now: datetime) -> list[int]:
    """Return the customers with an event received within the last 30 minutes, the gap between sessions."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_ACTIVE, {"since": now - ACTIVE, "now": now})
        return sorted(row[0] for row in cursor.fetchall())


def read_live_events(names: VisitorNames, *, now: datetime, categories: Sequence[str]) -> LiveEvents:
    """Return these people's events of the last 30 days and their orders, in two statements for any number of people."""
    users, visitors = names.select(USER), names.select(VISITOR)
    parameters: dict[str, Any] = {
        "user_people": users[0],
        "user_values": users[1],
        "visitor_people": visitors[0],
        "visitor_values": visitors[1],
        "since": now - timedelta(days=LOOKBACK_DAYS),
        "limit": MAX_EVENTS,
    }
    people = sorted({name[0] for name in names.names})
    with connection.cursor() as cursor:
        cursor.execute(READ_EVENTS, parameters)
        rows = cursor.fetchall()
        cursor.execute(READ_ORDERS, [format_bigint_list(people), MAX_ORDERS])
        orders = cursor.fetchall()
    return build_live_events(rows, orders, np.array(people, np.int64), now=now, categories=categories)


def build_live_events(
    rows: Sequence[tuple[int, int, datetime, str, int | None, str | None, str | None]],
    orders: Sequence[tuple[int, datetime]],
    people: Ints,
    *,
    now: datetime,
    categories: Sequence[str],
) -> LiveEvents:
    """Return the rows of both statements as arrays, without events that are not part of a visit or are later than ``now``."""
    limit = to_microseconds(now)
    visits = [
        (row, kind, moment)
        for row in rows
        if (kind := find_kind(row[3])) is not None and (moment := to_microseconds(row[2])) <= limit
    ]
    at = np.array([moment for _row, _kind, moment in visits], np.int64)
    hour, is_weekend = read_local_hours(at, get_time_zone())
    person = np.searchsorted(people, np.array([row[0] for row, _kind, _moment in visits], np.int64))
    events = SessionEvents(
        person=person,
        at=at,
        kind=np.array([int(kind) for _row, kind, _moment in visits], np.int8),
        product=np.array([UNKNOWN if row[4] is None else row[4] for row, _kind, _moment in visits], np.int64),
        category=index_categories([row[5] for row, _kind, _moment in visits], categories),
        device=np.array([int(find_device(row[6])) for row, _kind, _moment in visits], np.int8),
        hour=hour,
        is_weekend=is_weekend,
    )
    order = np.lexsort((np.array([row[1] for row, _kind, _moment in visits], np.int64), at, person))
    placed = [(buyer, moment) for buyer, placed_at in orders if (moment := to_microseconds(placed_at)) <= limit]
    buyers = np.searchsorted(people, np.array([buyer for buyer, _moment in placed], np.int64))
    moments = np.array([moment for _buyer, moment in placed], np.int64)
    return LiveEvents(people, events.select(order), Orderings.sort(buyers, moments))


def keep_active(live: LiveEvents, *, now: datetime) -> LiveEvents:
    """Keep only the events of people whose last event is within the gap between sessions."""
    events = live.events
    if not len(events):
        return live
    last_at = np.zeros(len(live.people), np.int64)
    np.maximum.at(last_at, events.person, events.at)
    is_active = to_microseconds(now) - last_at <= GAP
    return replace(live, events=events.select(is_active[events.person]))


def to_microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
