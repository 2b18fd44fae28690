"""Encrypts personal data that was stored in plain text, for example before the names of its fields were recognized.

Each batch is a transaction of its own, and a row that is encrypted already stays as it is. So the work can be interrupted at any
point and started again.
"""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.db import connection, transaction

from config.foundation.progress import Progress, ignore_progress
from customers.events.models import RejectedEvent
from customers.events.personal_parts import PERSONAL_PART, take_personal_parts
from customers.identity.models import Customer, IdentityMerge
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.personal_texts import hide_personal_text
from customers.identity.personal_data.personal_traits import seal_personal, unseal_personal
from customers.identity.personal_data.recognition import merge_personal
from customers.identity.personal_data.sealed_traits import seal_traits

BATCH = 2_000

READ_EVENTS = """
SELECT id, received_at, type, properties::text, context::text FROM events_event
WHERE id > %s ORDER BY id LIMIT %s
FOR NO KEY UPDATE
"""
WRITE_EVENTS = """
UPDATE events_event e SET properties = row.properties::jsonb, context = row.context::jsonb
FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[]) AS row (id, received_at, properties, context)
WHERE e.id = row.id AND e.received_at = row.received_at
"""
READ_CUSTOMERS = """
SELECT id, traits::text FROM identity_customer WHERE id > %s ORDER BY id LIMIT %s FOR NO KEY UPDATE
"""
WRITE_CUSTOMERS = """
UPDATE identity_customer c SET traits = row.traits::jsonb
FROM unnest(%s::bigint[], %s::text[]) AS row (id, traits) WHERE c.id = row.id
"""


class SealedCounts(NamedTuple):
    """How many rows had personal data in plain text."""

    events: int
    customers: int
    merges: int
    rejected_events: int


def seal_backlog(*, progress: Progress = ignore_progress, batch: int = BATCH) -> SealedCounts:
    """Encrypt the personal data of all stored events, customers and merges, and hide it in the reasons of rejected events."""
    total = count_rows()
    done = 0

    def count_done(rows: int) -> None:
        nonlocal done
        done += rows
        progress(min(done, total), total)

    return SealedCounts(
        events=sum(seal_in_batches(seal_events, batch, count_done)),
        customers=sum(seal_in_batches(seal_customers, batch, count_done)),
        merges=sum(seal_in_batches(seal_merges, batch, count_done)),
        rejected_events=sum(seal_in_batches(hide_reasons, batch, count_done)),
    )


class SealedBatch(NamedTuple):
    """The result of one batch: the last row that was read, and the numbers of rows read and changed."""

    last: int
    rows: int
    changed: int


def seal_in_batches(
    seal: Callable[[int, int], SealedBatch], size: int, count_done: Callable[[int], None]
) -> Iterator[int]:
    """Yield the number of changed rows of each batch, until no rows are left."""
    last = 0
    while True:
        with transaction.atomic():
            result = seal(last, size)
        if not result.rows:
            return
        last = result.last
        count_done(result.rows)
        yield result.changed


def seal_events(after: int, size: int) -> SealedBatch:
    """Encrypt the personal parts of the next events."""
    changed = []
    with connection.cursor() as cursor:
        cursor.execute(READ_EVENTS, [after, size])
        rows = cursor.fetchall()
        for event_id, received_at, call_type, properties, context in rows:
            if sealed := seal_event(call_type, properties, context):
                changed.append((event_id, received_at, *sealed))
        if changed:
            cursor.execute(WRITE_EVENTS, [list(column) for column in zip(*changed, strict=True)])
    return SealedBatch(rows[-1][0] if rows else after, len(rows), len(changed))


def seal_event(call_type: str, properties_text: str, context_text: str) -> tuple[str, str] | None:
    """Return the properties and the context of an event as they should be stored; None if they are stored that way already."""
    properties, context = json.loads(properties_text), json.loads(context_text)
    if not isinstance(properties, dict) or not isinstance(context, dict):
        return None
    stored = properties.pop(PERSONAL_PART, None)
    personal = take_personal_parts(call_type, properties, context)
    if not personal:
        return None
    if isinstance(stored, str):
        try:
            known = unseal_personal(stored)
        except (UnreadableFieldError, ValueError):
            return None  # writing a new part would lose the one that a lost key encrypted
        personal = merge_personal(known, personal)
    properties[PERSONAL_PART] = seal_personal(personal)
    return json.dumps(properties), json.dumps(context)


def seal_customers(after: int, size: int) -> SealedBatch:
    """Encrypt the personal traits of the next customers."""
    with connection.cursor() as cursor:
        cursor.execute(READ_CUSTOMERS, [after, size])
        rows = cursor.fetchall()
        traits_by_id = {customer_id: json.loads(traits) for customer_id, traits in rows}
        changed = {
            customer_id: json.dumps(sealed)
            for customer_id, traits in traits_by_id.items()
            if isinstance(traits, dict) and (sealed := seal_traits(traits)) != traits
        }
        if changed:
            cursor.execute(WRITE_CUSTOMERS, [list(changed), list(changed.values())])
    return SealedBatch(rows[-1][0] if rows else after, len(rows), len(changed))


def seal_merges(after: int, size: int) -> SealedBatch:
    """Encrypt the personal traits that the next merges keep so that they can be undone."""
    merges = list(IdentityMerge.objects.select_for_update().filter(pk__gt=after).order_by("pk")[:size])
    changed = []
    for merge in merges:
        moved = json.loads(json.dumps(merge.moved))
        for part, name in ((moved.get("customer"), "traits"), (moved, "filled_traits")):
            if isinstance(part, dict) and isinstance(part.get(name), dict):
                part[name] = seal_traits(part[name])
        if moved != merge.moved:
            merge.moved = moved
            changed.append(merge)
    IdentityMerge.objects.bulk_update(changed, ["moved"])
    return SealedBatch(merges[-1].pk if merges else after, len(merges), len(changed))


def hide_reasons(after: int, size: int) -> SealedBatch:
    """Hide personal data in the reasons of the next rejected events; their payloads are encrypted."""
    rejected = list(RejectedEvent.objects.select_for_update().only("reason").filter(pk__gt=after).order_by("pk")[:size])
    changed = []
    for event in rejected:
        if (hidden := hide_personal_text(event.reason)) != event.reason:
            event.reason = hidden
            changed.append(event)
    RejectedEvent.objects.bulk_update(changed, ["reason"])
    return SealedBatch(rejected[-1].pk if rejected else after, len(rejected), len(changed))


def count_rows() -> int:
    """Return about how many rows there are, from the statistics of PostgreSQL."""
    tables = [model._meta.db_table for model in (Customer, IdentityMerge, RejectedEvent)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(sum(GREATEST(reltuples, 0)), 0)::bigint FROM pg_class"
            " WHERE relkind = 'r' AND (relname = ANY(%s) OR relname LIKE 'events\\_event\\_%%')",
            [tables],
        )
        return int(cursor.fetchone()[0])
