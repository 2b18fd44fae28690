"""Recalculates customers whose orders or feedback have changed: their points first, then their level."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from customers.loyalty.levels.levels import recompute_levels
from customers.loyalty.models import SINGLETON_ID, LoyaltyProgram
from customers.loyalty.points.earning import award_points
from customers.loyalty.points.expiry import expire_points
from customers.loyalty.points.ledger import lock_members
from customers.loyalty.points.reservations import release_all_overdue
from customers.loyalty.program import load_program
from customers.segments.changed_customers import note_changed_customers

BATCH_SIZE = 5_000
LEVEL_BATCH_SIZE = 1_000  # a checkout of one of these members waits until all of them are recalculated
NOTE = """
INSERT INTO loyalty_pendingmember (customer_id) SELECT unnest(%s::bigint[])
WHERE EXISTS (SELECT FROM loyalty_loyaltyprogram WHERE is_enabled)
"""
NOTE_ALL = """
INSERT INTO loyalty_pendingmember (customer_id)
SELECT DISTINCT o.customer_id FROM orders_order o WHERE o.customer_id IS NOT NULL AND o.placed_at >= %s
"""
# Orders may be dated up to a day ahead, and so are noted, and counted, before they earn points.
NOTE_RECENT = """
INSERT INTO loyalty_pendingmember (customer_id)
SELECT o.customer_id FROM orders_order o
WHERE o.customer_id IS NOT NULL AND o.placed_at > %(since)s AND o.placed_at <= %(now)s
  AND NOT EXISTS (SELECT FROM loyalty_pointentry e WHERE e.customer_id = o.customer_id AND e.order_number = o.id)
UNION
SELECT customer_id FROM feedback_review WHERE customer_id IS NOT NULL AND written_at > %(since)s AND written_at <= %(now)s
UNION
SELECT customer_id FROM feedback_surveyanswer WHERE customer_id IS NOT NULL AND answered_at > %(since)s AND answered_at <= %(now)s
"""
RECENT = timedelta(days=2)
FIND_LAST = "SELECT COALESCE(max(id), 0) FROM loyalty_pendingmember"
TAKE = """
DELETE FROM loyalty_pendingmember WHERE id IN (
    SELECT id FROM loyalty_pendingmember WHERE id <= %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING customer_id
"""

# Members, and customers who have ordered and are not members yet.
FIND_LEVEL_BATCH = """
SELECT id FROM (
    (SELECT m.customer_id AS id FROM loyalty_loyaltymember m WHERE m.customer_id > %(last)s ORDER BY 1 LIMIT %(limit)s)
    UNION
    (SELECT c.id FROM identity_customer c
     WHERE c.id > %(last)s AND c.erased_at IS NULL AND EXISTS (SELECT FROM orders_order o WHERE o.customer_id = c.id)
     ORDER BY c.id LIMIT %(limit)s)
) people ORDER BY id LIMIT %(limit)s
"""


def note_customers(*, customer_ids: Iterable[int], **_kwargs: Any) -> None:
    """Mark customers to be recalculated by the next run. Receives the signal of new reviews and survey answers."""
    ids = list(customer_ids)
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(NOTE, [ids])


def count_pending(*, now: datetime) -> int:
    """Recalculate the customers marked as changed; return how many.

    Each batch is recalculated and unmarked in one transaction, so that a killed process loses nothing and posts nothing twice. Customers
    who are marked meanwhile wait for the next run, because this one leaves out what is later than ``now``.
    """
    total = 0
    program = load_program()
    with connection.cursor() as cursor:
        cursor.execute(FIND_LAST)
        (last,) = cursor.fetchone()
    while program.is_enabled:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(TAKE, [last, BATCH_SIZE])
                taken = {customer_id for (customer_id,) in cursor.fetchall()}
            if not taken:
                break
            members = lock_members(taken)
            award_points(customer_ids=members, program=program, now=now)
            recompute_levels(program=program, now=now, customer_ids=members)
            note_changed_customers(members)
            total += len(members)
    return total


def refresh_program(*, now: datetime) -> int:
    """Expire points, and recalculate the levels of all members, as their validity may have ended; return the number of level changes."""
    program = load_program()
    if not program.is_enabled:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(NOTE_RECENT, {"since": now - RECENT, "now": now})
    count_pending(now=now)
    release_all_overdue(now=now)
    expire_points(now=now)
    return recompute_all_levels(now=now)


def recompute_all_levels(*, now: datetime, reason: str = "") -> int:
    """Recalculate the levels of all members, each batch in a transaction of its own; return the number of level changes."""
    changes = last = 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(FIND_LEVEL_BATCH, {"last": last, "limit": LEVEL_BATCH_SIZE})
                ids = [customer_id for (customer_id,) in cursor.fetchall()]
            members = lock_members(ids)
            program = load_program()  # for each batch again, because other rules may have been saved in the meantime
            if not ids or not program.is_enabled:
                return changes
            changes += recompute_levels(program=program, now=now, customer_ids=members, reason=reason)
            last = ids[-1]


def start_program(*, now: datetime, reason: str) -> int:
    """Recalculate all levels after the rules were saved, then mark customers whose orders earn points; return the number of level changes.

    Points depend on levels, so the program earns no points before all levels are calculated.
    """
    if not load_program().is_enabled:
        return 0
    changes = recompute_all_levels(now=now, reason=reason)
    with transaction.atomic():
        program = LoyaltyProgram.objects.select_for_update().get(pk=SINGLETON_ID)
        if not program.is_enabled:
            return changes
        if program.started_at is None:
            program.started_at = now
            program.save(update_fields=["started_at"])
        with connection.cursor() as cursor:
            cursor.execute(NOTE_ALL, [program.started_at])
    return changes
