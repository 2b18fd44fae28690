"""Counts events and orders again, or schedules it: of all customers, or of those with events on products whose category or brand changed."""

from collections.abc import Iterable
from itertools import batched

from django.db import connection, transaction

from config.foundation.database.array_parameters import format_bigint_list, format_text_list
from customers.identity.models import Customer
from customers.segments.event_counts.counting import (
    RECOUNT_BATCH_SIZE,
    lock_counts,
    recount_events,
    recount_orders,
)
from customers.segments.event_counts.meanings import BOUGHT
from customers.segments.models import PendingEventCount, PendingOrderCount

FIND_MOVED_PRODUCTS = """
SELECT s.id, COALESCE(c.path || E'\\n' || p.brand, p.brand)
FROM segments_eventseries s
JOIN catalog_product p ON p.product_id = s.name
LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE s.about = 'product' AND s.counted_as <> COALESCE(c.path || E'\\n' || p.brand, p.brand)
"""

# purchases are counted from orders, everything else from events; sorted, so that two transactions do not wait for each other
REQUEST_RECOUNT_OF_SERIES = """
WITH concerned AS MATERIALIZED (
    SELECT c.customer_id, bool_or(s.meaning = %(bought)s) AS has_orders, bool_or(s.meaning <> %(bought)s) AS has_events
    FROM unnest(%(series)s::bigint[]) AS moved (id)
    JOIN segments_eventseries s ON s.id = moved.id
    JOIN segments_eventcount c ON c.series_id = s.id
    GROUP BY c.customer_id
), events AS (
    INSERT INTO segments_pendingeventcount (customer_id)
    SELECT customer_id FROM concerned WHERE has_events ORDER BY customer_id ON CONFLICT DO NOTHING
), orders AS (
    INSERT INTO segments_pendingordercount (customer_id)
    SELECT customer_id FROM concerned WHERE has_orders ORDER BY customer_id ON CONFLICT DO NOTHING
)
SELECT count(*) FROM concerned
"""
MARK_SERIES = """
UPDATE segments_eventseries s SET counted_as = moved.counted_as
FROM unnest(%(series)s::bigint[], %(counted_as)s::text[]) AS moved (id, counted_as) WHERE s.id = moved.id
"""

REQUEST_RECOUNT = "INSERT INTO {table} (customer_id) SELECT id FROM identity_customer ON CONFLICT DO NOTHING"


def recount_all() -> int:
    """Count the events and orders of all customers again; return the number of customers."""
    return recount_in_batches(Customer.objects.order_by("pk").values_list("pk", flat=True).iterator())


def request_recount() -> None:
    """Schedule a recount of all customers' events and orders; the job resumes after an interruption."""
    with connection.cursor() as cursor:
        for table in (PendingEventCount._meta.db_table, PendingOrderCount._meta.db_table):
            cursor.execute(REQUEST_RECOUNT.format(table=table))


def count_waiting_customers() -> int:
    """Return how many customers wait until their events are counted again."""
    return PendingEventCount.objects.count()


def request_recount_of_moved_products() -> int:
    """Schedule a recount for products that were added to the catalog or changed category or brand since; return the number of customers.

    The products are marked in the transaction that schedules the customers. The job resumes after an interruption.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIND_MOVED_PRODUCTS)
        moved = cursor.fetchall()
    if not moved:
        return 0
    with transaction.atomic():
        lock_counts()  # wait for the transactions that still count events for the earlier category, so that their customers are found
    series, counted_as = zip(*moved, strict=True)
    parameters = {"series": format_bigint_list(series), "counted_as": format_text_list(counted_as), "bought": BOUGHT}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REQUEST_RECOUNT_OF_SERIES, parameters)
        customers: int = cursor.fetchone()[0]
        cursor.execute(MARK_SERIES, parameters)
    return customers


def recount_in_batches(customer_ids: Iterable[int]) -> int:
    done = 0
    for batch in batched(customer_ids, RECOUNT_BATCH_SIZE):
        with transaction.atomic():
            recount_events(batch)
            recount_orders(batch)
        done += len(batch)
    return done
