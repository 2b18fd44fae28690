"""Records the events that an import adds, and undoes the import: what was counted with them is counted again without them.

Each step is a transaction of its own and can be repeated: a batch of events is deleted with the orders and reviews that it created,
then the customers are counted again in groups. A killed undo continues with the next batch.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

import msgspec
from django.db import OperationalError, connection, transaction
from django.db.models import Func, IntegerField, Sum
from django.db.models.functions import Coalesce

from config.foundation.progress import Progress
from customers.events.collector.parsing import EventRow
from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.events.models import Source
from customers.events.removal import remove_events
from customers.events.signals import events_removed
from customers.feedback.review_removal import find_known_reviews, read_review_id, remove_reviews
from customers.identity.locking import lock_identities
from customers.identity.models import Customer
from customers.identity.signals import customers_deleted
from customers.imports.models import ImportedEvents, ImportRun
from customers.imports.undo import delete_referring_rows
from customers.orders.order_events.removal import remove_order_events

MAX_ATTEMPTS = 5
DEADLOCK = "40P01"
RECOUNTED_CUSTOMERS = 100  # while a group is counted, no events are processed
# Visitors who exist only because of these events: they are not older than the import, and have no user ID, no address and no other data.
FIND_EMPTY_VISITORS = """
SELECT c.id FROM identity_customer c
WHERE c.id = ANY(%s) AND c.created_at >= %s AND c.erased_at IS NULL AND c.name = '' AND c.email = '' AND c.phone = ''
  AND NOT EXISTS (
      SELECT FROM identity_identifier i
      WHERE i.customer_id = c.id AND (
          i.kind NOT IN ('anonymous_id', 'device_id')
          OR (i.kind = 'anonymous_id' AND EXISTS (
              SELECT FROM events_event e WHERE e.anonymous_id = i.value AND e.anonymous_id <> '')))
  )
  AND NOT EXISTS (SELECT FROM identity_consent d WHERE d.customer_id = c.id)
  AND NOT EXISTS (SELECT FROM identity_identitymerge d WHERE d.kept_id = c.id)
  AND NOT EXISTS (SELECT FROM identity_identifiertransfer d WHERE d.from_id = c.id OR d.to_id = c.id)
  AND NOT EXISTS (SELECT FROM orders_order d WHERE d.customer_id = c.id)
  AND NOT EXISTS (SELECT FROM feedback_review d WHERE d.customer_id = c.id)
  AND NOT EXISTS (SELECT FROM feedback_surveyanswer d WHERE d.customer_id = c.id)
  AND NOT EXISTS (SELECT FROM segments_segmentmember d WHERE d.customer_id = c.id)
ORDER BY c.id
FOR UPDATE OF c
"""


def record_events(run: ImportRun, source: Source, rows: Sequence[EventRow]) -> None:
    """Record events that an import has just stored, in their transaction."""
    reviews = {
        read_review_id(msgspec.json.decode(row.stored.properties), source=source.key, message_id=row.stored.message_id)
        for row in rows
        if row.stored.type == "track" and lookup_meaning(row.stored.name) == Meaning.REVIEW
    }
    ImportedEvents.objects.create(
        run=run,
        received_at=rows[0].stored.received_at,
        event_ids=[row.event_id for row in rows],
        known_reviews=find_known_reviews(reviews) if reviews else [],
    )


def count_recorded_events(run: ImportRun) -> int:
    """Return how many events all attempts of an import have added."""
    length = Func("event_ids", function="cardinality", output_field=IntegerField())
    total = ImportedEvents.objects.filter(run=run).aggregate(total=Coalesce(Sum(length), 0))["total"]
    return int(total)


def undo_events(*, run: ImportRun, at: datetime, progress: Progress) -> None:
    """Remove the events that an import added, with the orders, reviews and visitors that exist only because of them.

    The records stay until all is done; the caller deletes them in the transaction that marks the import as undone.
    """
    batches = ImportedEvents.objects.filter(run=run).order_by("id")
    ids = list(batches.values_list("id", flat=True))
    waiting = list(batches.filter(is_removed=False).values_list("id", flat=True))
    source_key = Source.objects.filter(key=run.source).values_list("key", flat=True).first() or run.source
    for number, pk in enumerate(waiting, start=len(ids) - len(waiting) + 1):
        repeat_after_deadlock(remove_batch, pk, source=source_key, at=at)
        progress(number, 2 * len(ids))
    since = min(batches.values_list("received_at", flat=True), default=at)
    customers = sorted({customer for found in batches.values_list("customer_ids", flat=True) for customer in found})
    for number, group in enumerate(batched(customers, RECOUNTED_CUSTOMERS), start=1):
        repeat_after_deadlock(recount_customers, group, since=since, at=at)
        progress(len(customers) + min(number * RECOUNTED_CUSTOMERS, len(customers)), 2 * max(1, len(customers)))


def repeat_after_deadlock(step: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    """Run a step, and repeat it after a deadlock with the processing of events or a merge."""
    for _attempt in range(MAX_ATTEMPTS - 1):
        try:
            return step(*args, **kwargs)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != DEADLOCK:
                raise
    return step(*args, **kwargs)


def remove_batch(pk: int, *, source: str, at: datetime) -> None:
    """Delete one batch of events with what they created."""
    with transaction.atomic():
        batch = ImportedEvents.objects.select_for_update().get(pk=pk)
        removed = remove_events(event_ids=batch.event_ids, received_at=batch.received_at)
        customers = remove_order_events(messages=removed.messages, at=at)
        remove_reviews(
            [
                (read_review_id(item.properties, source=source, message_id=item.message_id), item.written_at)
                for item in removed.reviews
            ],
            kept=set(batch.known_reviews),
        )
        batch.customer_ids, batch.is_removed = sorted({*removed.customer_ids, *customers}), True
        batch.save(update_fields=["customer_ids", "is_removed"])


def recount_customers(customer_ids: Sequence[int], *, since: datetime, at: datetime) -> None:
    """Make other apps recount everything that they count for these customers, and delete visitors without any data left.

    since: when the import began; visitors who were known before stay.
    """
    with transaction.atomic():
        lock_identities()  # so that no identifier of these customers is transferred in the meantime
        events_removed.send(sender=ImportRun, customer_ids=list(customer_ids), at=at)
        with connection.cursor() as cursor:
            cursor.execute(FIND_EMPTY_VISITORS, [list(customer_ids), since])
            empty = [customer_id for (customer_id,) in cursor.fetchall()]
            if empty:
                customers_deleted.send(sender=ImportRun, customer_ids=empty)
                cursor.execute(
                    "CREATE TEMPORARY TABLE empty_visitor ON COMMIT DROP AS SELECT unnest(%s) AS id", [empty]
                )
                delete_referring_rows(cursor, Customer, "SELECT id FROM empty_visitor")
                cursor.execute("DELETE FROM identity_customer WHERE id IN (SELECT id FROM empty_visitor)")
