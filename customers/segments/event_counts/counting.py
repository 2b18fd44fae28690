"""Counts events and orders by customer, series and day, each exactly once.

The counts of a batch of events are written in the transaction that takes the batch off the outbox. A recount reads what is stored, except
events that wait in the outbox: they are counted when their turn comes. An app that counts what it stores in tables of its own, such as clicks
in messages, calls `add_facts` when it stores them and registers a query with which a recount reads them.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection, transaction
from psycopg import sql

from config.foundation.database.advisory_locks import compute_lock_key
from config.foundation.database.array_parameters import format_bigint_list, format_text_list
from config.foundation.progress import is_worker_stopping
from config.foundation.shop.profile import read_time_zone_name
from customers.segments.event_counts.meanings import BOUGHT, COUNTED_NAMES, DAY, PRODUCT_MEANINGS
from customers.segments.models import ChangedCustomer, PendingEventCount, PendingOrderCount
from customers.warehouse.index_lookup import prefer_index_scans

LOCK_KEY = compute_lock_key("segments.event_counts")
RECOUNT_BATCH_SIZE = 100  # customers; while a batch is counted, no events are processed
EVENT_SECONDS = 50  # the job runs every minute; changed orders must not wait for the events of all customers
ADDED_FACTS = 20_000  # per statement, in a recount

# The products are passed as one text per event, because PostgreSQL has no arrays of lists of different lengths.
FACTS = sql.SQL("""
    SELECT row.id, row.customer_id, row.meaning, row.at AT TIME ZONE {zone} AS at, row.products::text[] AS product_ids
    FROM unnest(%(ids)s::bigint[], %(customers)s::bigint[], %(meanings)s::text[], %(times)s::timestamptz[], %(products)s::text[])
         AS row (id, customer_id, meaning, at, products)
""")
# An event belongs to its user ID, else to its anonymous ID, as in the counters of the profile.
READ_EVENT_FACTS = sql.SQL("""
    SELECT e.id, e.customer_id, m.meaning, e.occurred_at,
           CASE WHEN m.meaning = ANY({product_meanings}) THEN e.product_ids ELSE '{{}}' END AS product_ids
    FROM (
        SELECT i.customer_id, e.id, e.name, LEAST(e.occurred_at, e.received_at) AS occurred_at, e.product_ids
        FROM identity_identifier i
        JOIN events_event e ON e.user_id = i.value AND e.user_id <> ''
        WHERE i.kind = 'user_id' AND i.customer_id = ANY(%(customers)s::bigint[]) AND e.type = 'track'
        UNION ALL
        SELECT i.customer_id, e.id, e.name, LEAST(e.occurred_at, e.received_at) AS occurred_at, e.product_ids
        FROM identity_identifier i
        JOIN events_event e ON e.anonymous_id = i.value AND e.anonymous_id <> '' AND e.user_id = ''
        WHERE i.kind = 'anonymous_id' AND i.customer_id = ANY(%(customers)s::bigint[]) AND e.type = 'track'
    ) AS e
    JOIN (VALUES {names}) AS m (name, meaning) ON m.name = lower(trim(e.name))
    WHERE NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
""")
READ_ORDER_FACTS = sql.SQL("""
    SELECT o.id, o.customer_id, {bought}, o.placed_at,
           ARRAY(
               SELECT p.product_id FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id
               WHERE l.order_id = o.id AND l.quantity > 0
           ) AS product_ids
    FROM orders_order o
    WHERE o.customer_id = ANY(%(customers)s::bigint[]) AND o.kind = 'sale' AND o.status <> 'cancelled'
""")
OTHER_FACTS: list[sql.Composable] = []  # see `register_fact_query`
# An event counts once for each product, category (and each above it) and brand that it is about. Products, categories and series are looked
# up by what the events name: with hundreds of thousands of products, reading all of them would take longer than a batch.
ADD_FACTS = sql.SQL("""
    WITH RECURSIVE facts AS MATERIALIZED ({facts}
    ), named_products AS MATERIALIZED (
        SELECT p.product_id, p.brand, p.category_id, COALESCE(c.path || E'\\n' || p.brand, p.brand) AS counted_as
        FROM catalog_product p
        LEFT JOIN catalog_category c ON c.id = p.category_id
        WHERE p.product_id = ANY(%(names)s::text[])
    ), ancestors (id, path, parent_id) AS (
        SELECT id, path, parent_id FROM catalog_category WHERE id IN (SELECT category_id FROM named_products)
        UNION ALL SELECT a.id, c.path, c.parent_id FROM ancestors a JOIN catalog_category c ON c.id = a.parent_id
    ), about_products AS MATERIALIZED (
        SELECT DISTINCT f.id, f.customer_id, f.meaning, f.at, r.product_id, p.brand, p.category_id,
               COALESCE(p.counted_as, '') AS counted_as
        FROM facts f
        CROSS JOIN LATERAL unnest(f.product_ids) AS r (product_id)
        LEFT JOIN named_products p ON p.product_id = r.product_id
    ), objects (customer_id, meaning, at, about, name, counted_as) AS (
        SELECT customer_id, meaning, at, 'any', '', '' FROM facts
        UNION ALL SELECT customer_id, meaning, at, 'product', product_id, counted_as FROM about_products
        UNION ALL (
            SELECT DISTINCT ON (id, brand) customer_id, meaning, at, 'brand', brand, '' FROM about_products WHERE brand <> ''
        )
        UNION ALL (
            SELECT DISTINCT ON (p.id, a.path) customer_id, meaning, at, 'category', a.path, ''
            FROM about_products p JOIN ancestors a ON a.id = p.category_id
        )
    ), daily AS MATERIALIZED (
        SELECT customer_id, meaning, about, name, max(counted_as) AS counted_as, {day} AS day,
               count(*) AS events, min(extract(epoch FROM at::time))::int AS first, max(extract(epoch FROM at::time))::int AS last
        FROM objects
        GROUP BY customer_id, meaning, about, name, day
    ), names AS MATERIALIZED (
        SELECT meaning, about, name, max(counted_as) AS counted_as FROM daily GROUP BY meaning, about, name
    ), known_series AS MATERIALIZED (
        SELECT s.id, s.meaning, s.about, s.name FROM names JOIN segments_eventseries s USING (meaning, about, name)
    ), new_series AS (
        INSERT INTO segments_eventseries (meaning, about, name, counted_as)
        SELECT meaning, about, name, counted_as FROM names n
        WHERE NOT EXISTS (
            SELECT FROM known_series s WHERE s.meaning = n.meaning AND s.about = n.about AND s.name = n.name
        )
        RETURNING id, meaning, about, name
    ), series AS (
        SELECT id, meaning, about, name FROM known_series UNION ALL SELECT id, meaning, about, name FROM new_series
    )
    INSERT INTO segments_eventcount AS old (customer_id, series_id, days, counts)
    SELECT d.customer_id, s.id, array_agg(d.day ORDER BY d.day), array_agg(ARRAY[d.total, d.first, d.last] ORDER BY d.day)
    FROM (
        SELECT *, (sum(events) OVER (PARTITION BY customer_id, meaning, about, name ORDER BY day))::int AS total FROM daily
    ) AS d
    JOIN series s USING (meaning, about, name)
    GROUP BY d.customer_id, s.id
    ON CONFLICT (customer_id, series_id) DO UPDATE SET (days, counts) = ROW (
        CASE WHEN cardinality(EXCLUDED.days) > 1 OR EXCLUDED.days[1] < old.days[cardinality(old.days)]
                 THEN segments_merge_days(old.days, EXCLUDED.days)
             WHEN EXCLUDED.days[1] = old.days[cardinality(old.days)] THEN old.days
             ELSE old.days || EXCLUDED.days END,
        CASE WHEN cardinality(EXCLUDED.days) > 1 OR EXCLUDED.days[1] < old.days[cardinality(old.days)]
                 THEN segments_merge_counts(old.days, old.counts, EXCLUDED.days, EXCLUDED.counts)
             WHEN EXCLUDED.days[1] = old.days[cardinality(old.days)] THEN
                 old.counts[: cardinality(old.days) - 1][:] || ARRAY[ARRAY[
                     old.counts[cardinality(old.days)][1] + EXCLUDED.counts[1][1],
                     LEAST(old.counts[cardinality(old.days)][2], EXCLUDED.counts[1][2]),
                     GREATEST(old.counts[cardinality(old.days)][3], EXCLUDED.counts[1][3])
                 ]]
             ELSE old.counts || ARRAY[ARRAY[
                     old.counts[cardinality(old.days)][1] + EXCLUDED.counts[1][1], EXCLUDED.counts[1][2], EXCLUDED.counts[1][3]
                 ]] END
    )
""")
DELETE_COUNTS = sql.SQL("""
    DELETE FROM segments_eventcount c USING segments_eventseries s
    WHERE c.customer_id = ANY(%(customers)s::bigint[]) AND s.id = c.series_id AND (s.meaning = {bought}) = {orders}
""")
READ_PRODUCTS = """
SELECT id, product_ids FROM events_event
WHERE id = ANY(%(ids)s::bigint[]) AND received_at BETWEEN %(low)s AND %(high)s AND product_ids <> '{}'
"""
# SKIP LOCKED: a customer whose orders are being changed is counted after the change
TAKE_PENDING = """
DELETE FROM {table} WHERE customer_id IN (
    SELECT customer_id FROM {table} ORDER BY customer_id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING customer_id
"""
FORGET_CUSTOMERS = """
WITH customer AS MATERIALIZED (SELECT unnest(%s::bigint[]) AS id),
counts AS (DELETE FROM segments_eventcount WHERE customer_id IN (SELECT id FROM customer)),
orders AS (DELETE FROM segments_pendingordercount WHERE customer_id IN (SELECT id FROM customer)),
events AS (DELETE FROM segments_pendingeventcount WHERE customer_id IN (SELECT id FROM customer)),
changed AS (DELETE FROM segments_changedcustomer WHERE customer_id IN (SELECT id FROM customer))
DELETE FROM segments_segmentstay WHERE customer_id IN (SELECT id FROM customer)
"""
NAMES = sql.SQL(", ").join(
    sql.SQL("({}, {})").format(sql.Literal(name), sql.Literal(meaning))
    for name, meaning in sorted(COUNTED_NAMES.items())
)
DAY_OF_FACT = sql.SQL(DAY.format(date="at::date"))


def register_fact_query(query: sql.Composable) -> None:
    """Let recounts of events also count what a query returns.

    Args:
        query: selects id, customer_id, meaning, time and product_ids (an array of text) of the customers ``%(customers)s::bigint[]``; it must
            leave out customers who are erased or no longer exist.
    """
    if query not in OTHER_FACTS:
        OTHER_FACTS.append(query)


def lock_counts() -> None:
    """Make other transactions that count events wait until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])


class CountedEvent(NamedTuple):
    """An event, or an order, that is counted."""

    id: int
    customer_id: int
    meaning: str
    occurred_at: datetime


def count_events(events: Sequence[CountedEvent], *, received: tuple[datetime, datetime]) -> int:
    """Add events that are being processed to the counts of their customers, in the caller's transaction.

    Args:
        received: the times between which the events were received.

    Returns:
        The number of events.
    """
    if not events:
        return 0
    products = read_products([event.id for event in events if event.meaning in PRODUCT_MEANINGS], received)
    lock_counts()
    add_facts([(*event, products.get(event.id, ())) for event in events])
    return len(events)


def add_facts(facts: Sequence[tuple[int, int, str, datetime, Sequence[str]]]) -> None:
    """Add events or orders to the counts, after `lock_counts`. facts: the fields of a CountedEvent, and its product IDs."""
    ids, customers, meanings, times, products = zip(*facts, strict=True)
    parameters: dict[str, Any] = {
        "ids": format_bigint_list(ids),
        "customers": format_bigint_list(customers),
        "meanings": format_text_list(meanings),
        "times": format_text_list(map(datetime.isoformat, times)),
        "products": format_text_list(map(format_text_list, products)),
        "names": format_text_list(sorted(set(chain.from_iterable(products)))),
    }
    facts_query = FACTS.format(zone=sql.Literal(read_time_zone_name()))
    with connection.cursor() as cursor:
        cursor.execute(ADD_FACTS.format(facts=facts_query, day=DAY_OF_FACT).as_string(None), parameters)


def read_products(ids: Sequence[int], received: tuple[datetime, datetime]) -> dict[int, list[str]]:
    """Return the product IDs by event ID, after references by SKU were replaced."""
    if not ids:
        return {}
    low, high = received
    with prefer_index_scans(), connection.cursor() as cursor:
        cursor.execute(READ_PRODUCTS, {"ids": format_bigint_list(ids), "low": low, "high": high})
        return dict(cursor.fetchall())


def recount_events(customer_ids: Iterable[int]) -> None:
    """Count the stored events of some customers again, in the caller's transaction."""
    product_meanings = sql.Literal([str(meaning) for meaning in PRODUCT_MEANINGS])
    events = READ_EVENT_FACTS.format(product_meanings=product_meanings, names=NAMES)
    recount(customer_ids, facts=sql.SQL(" UNION ALL ").join([events, *OTHER_FACTS]), orders=False)


def recount_orders(customer_ids: Iterable[int]) -> None:
    """Count the orders of some customers again, in the caller's transaction."""
    recount(customer_ids, facts=READ_ORDER_FACTS.format(bought=sql.Literal(BOUGHT)), orders=True)


def recount(customer_ids: Iterable[int], *, facts: sql.Composed, orders: bool) -> None:
    ids = sorted(set(customer_ids))
    if not ids:
        return
    lock_counts()
    parameters = {"customers": format_bigint_list(ids)}
    delete = DELETE_COUNTS.format(bought=sql.Literal(BOUGHT), orders=sql.Literal(orders)).as_string(None)
    # Only the facts are read with index scans: adding them joins whole lists, which would take minutes with nested loops.
    with prefer_index_scans(), connection.cursor() as cursor:
        cursor.execute(delete, parameters)
        cursor.execute(facts.as_string(None), parameters)
        rows = cursor.fetchall()
    for start in range(0, len(rows), ADDED_FACTS):
        add_facts(rows[start : start + ADDED_FACTS])


def count_changed_orders(customer_ids: Iterable[int]) -> None:
    """Count the orders of customers whose orders the caller's transaction has changed."""
    ids = list(customer_ids)
    PendingOrderCount.objects.filter(pk__in=ids).delete()
    recount_orders(ids)


def recount_pending_orders() -> int:
    """Count the orders of the customers whose orders have changed, in batches; return their number."""
    return recount_pending(PendingOrderCount, recount_orders)


def recount_pending_events(*, seconds: float = EVENT_SECONDS) -> int:
    """Count the events of the customers that wait for it, in batches, and leave the rest to the next run when the time is over.

    Return the number of customers.
    """
    return recount_pending(PendingEventCount, recount_events, deadline=time.monotonic() + seconds)


def recount_pending(
    model: type[PendingOrderCount | PendingEventCount],
    recount_customers: Callable[[Iterable[int]], None],
    *,
    deadline: float = math.inf,
) -> int:
    take = TAKE_PENDING.format(table=model._meta.db_table)
    done = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(take, [RECOUNT_BATCH_SIZE])
            ids = [customer_id for (customer_id,) in cursor.fetchall()]
            recount_customers(ids)
            ChangedCustomer.objects.bulk_create(ChangedCustomer(customer_id=customer_id) for customer_id in ids)
        done += len(ids)
        if len(ids) < RECOUNT_BATCH_SIZE or time.monotonic() >= deadline or is_worker_stopping():
            return done


def forget_customers(customer_ids: Sequence[int]) -> None:
    """Delete the counts and the segment history of customers who no longer exist."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET_CUSTOMERS, [format_bigint_list(customer_ids)])
