"""Counts events and orders again: of all customers, or of those with events on products whose category or brand changed."""

from collections.abc import Iterable
from itertools import batched

from django.db import connection, transaction

from customers.identity.models import Customer
from customers.segments.event_counts.counting import RECOUNT_BATCH_SIZE, recount_events, recount_orders
from customers.segments.models import EventCount, EventSeries, PendingEventCount, PendingOrderCount

FIND_MOVED_PRODUCTS = """
SELECT s.id, COALESCE(c.path || E'\\n' || p.brand, p.brand)
FROM segments_eventseries s
JOIN catalog_product p ON p.product_id = s.name
LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE s.about = 'product' AND s.counted_as <> COALESCE(c.path || E'\\n' || p.brand, p.brand)
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


def recount_moved_products() -> int:
    """Count again for products that were added to the catalog or changed category or brand since; return the number of customers.

    The products are marked as done at the end, so an interrupted recount is repeated.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIND_MOVED_PRODUCTS)
        moved = dict(cursor.fetchall())
    customers = EventCount.objects.filter(series_id__in=moved).values_list("customer_id", flat=True)
    done = recount_in_batches(sorted(set(customers)))
    EventSeries.objects.bulk_update(
        [EventSeries(pk=series_id, counted_as=counted_as) for series_id, counted_as in moved.items()],
        ["counted_as"],
        batch_size=1000,
    )
    return done


def recount_in_batches(customer_ids: Iterable[int]) -> int:
    done = 0
    for batch in batched(customer_ids, RECOUNT_BATCH_SIZE):
        with transaction.atomic():
            recount_events(batch)
            recount_orders(batch)
        done += len(batch)
    return done
