"""Records within seconds that customers who did something have entered or left segments, without checking all customers.

Processed events, recounted orders, and new reviews and survey answers note their customers. Entries and exits caused by the passing of
time, or by changes that are not noted, are recorded by the next count of all segments, at most ten minutes later.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from django.db import Error, connection, transaction

from config.foundation.database.array_parameters import format_bigint_list
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.history import record_changes
from customers.segments.membership import query_members
from customers.segments.models import ChangedCustomer, PendingOrderCount, Segment
from customers.warehouse.index_lookup import prefer_index_scans

logger = logging.getLogger(__name__)

MAX_CUSTOMERS = 10_000  # more, as after an import, are left to the next count of all segments
MAX_PENDING = (
    100  # if the orders of more customers are still to be counted, these customers are compared after the count instead
)
BATCH_SIZE = 1_000
NOTE_CUSTOMERS = """
INSERT INTO segments_changedcustomer (customer_id) SELECT unnest(%s::bigint[])
WHERE EXISTS (SELECT FROM segments_segment WHERE kind = 'dynamic' AND tracked_condition IS NOT NULL)
"""


def note_changed_customers(customer_ids: Iterable[int]) -> None:
    """Let the next run compare these customers with the segments; in the transaction of the change."""
    ids = sorted(set(customer_ids))
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(NOTE_CUSTOMERS, [format_bigint_list(ids)])


def note_feedback_authors(*, customer_ids: Iterable[int], **_kwargs: Any) -> None:
    """Receive the signal of new reviews and survey answers."""
    note_changed_customers(customer_ids)


def record_changed_customers(*, as_of: datetime) -> int:
    """Record who of the noted customers has entered and left; return how many customers were compared.

    The notes are deleted at the end, so an interrupted run is repeated.
    """
    notes = dict(ChangedCustomer.objects.order_by("pk").values_list("pk", "customer_id")[: MAX_CUSTOMERS + 1])
    if len(notes) > MAX_CUSTOMERS:
        ChangedCustomer.objects.filter(pk__gte=min(notes)).delete()
        return 0
    # customers whose orders are not counted yet are matched by the orders themselves, which is slow: a larger backlog waits for its count
    pending = list(PendingOrderCount.objects.values_list("pk", flat=True)[: MAX_PENDING + 1])
    customer_ids = sorted({*notes.values(), *(pending if len(pending) <= MAX_PENDING else ())})
    if customer_ids:
        for segment in Segment.objects.filter(kind=Segment.Kind.DYNAMIC, tracked_condition__isnull=False):
            record_segment(segment, customer_ids, as_of)
    ChangedCustomer.objects.filter(pk__in=notes).delete()
    return len(customer_ids)


def record_segment(segment: Segment, customer_ids: Sequence[int], as_of: datetime) -> None:
    """Record who of the customers has entered and left one segment."""
    for ids in batched(customer_ids, BATCH_SIZE):
        try:
            with transaction.atomic():
                members = query_members(segment=segment, as_of=as_of).filter(pk__in=ids)
                with prefer_index_scans():
                    record_changes(segment=segment, members=members, customer_ids=ids, as_of=as_of)
        except (ConditionError, Error) as error:  # the next count of the segment shows the error
            logger.warning("Entries of segment %s cannot be recorded: %s", segment.key, error)
            return
