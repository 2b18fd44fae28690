"""The points ledger: locks members, adds entries, and keeps the figures of the member's row up to date."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.shop.profile import get_time_zone_name
from customers.loyalty.models import LoyaltyMember, PointEntry
from customers.loyalty.program import find_expiry_day, load_program

ADD_MEMBERS = """
INSERT INTO loyalty_loyaltymember (customer_id)
SELECT id FROM identity_customer WHERE id = ANY(%(ids)s::bigint[]) AND erased_at IS NULL ORDER BY id
ON CONFLICT DO NOTHING
"""
LOCK_MEMBERS = "SELECT customer_id FROM loyalty_loyaltymember WHERE customer_id = ANY(%(ids)s::bigint[]) ORDER BY customer_id FOR UPDATE"
# The first lot whose points are not covered by what was spent: points are spent in the order in which they expire.
REFRESH_EXPIRY = """
WITH used AS (
    SELECT e.customer_id, -sum(e.points) AS points FROM loyalty_pointentry e
    WHERE e.customer_id = ANY(%(ids)s::bigint[]) AND e.points < 0 GROUP BY e.customer_id
), lot AS (
    SELECT e.customer_id, e.expires_on, sum(sum(e.points)) OVER (PARTITION BY e.customer_id ORDER BY e.expires_on) AS points
    FROM loyalty_pointentry e
    WHERE e.customer_id = ANY(%(ids)s::bigint[]) AND e.points > 0 AND e.expires_on IS NOT NULL
    GROUP BY e.customer_id, e.expires_on
), following AS (
    SELECT DISTINCT ON (lot.customer_id) lot.customer_id, lot.expires_on, lot.points - COALESCE(used.points, 0) AS points
    FROM lot LEFT JOIN used USING (customer_id)
    WHERE lot.points > COALESCE(used.points, 0)
    ORDER BY lot.customer_id, lot.expires_on
)
UPDATE loyalty_loyaltymember m SET next_expiry_on = f.expires_on, next_expiry_at = (f.expires_on + 1)::timestamp AT TIME ZONE %(zone)s,
    next_expiry_points = COALESCE(f.points, 0)
FROM loyalty_loyaltymember same LEFT JOIN following f USING (customer_id)
WHERE m.customer_id = ANY(%(ids)s::bigint[]) AND same.customer_id = m.customer_id
  AND (m.next_expiry_on IS DISTINCT FROM f.expires_on OR m.next_expiry_points <> COALESCE(f.points, 0))
"""


class PointsError(ValueError):
    """A change of points that is refused; `code` is the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def lock_members(customer_ids: Collection[int]) -> list[int]:
    """Make customers members, and lock them until the caller's transaction ends; return those that exist."""
    parameters = {"ids": format_bigint_list(sorted(customer_ids))}
    with connection.cursor() as cursor:
        cursor.execute(ADD_MEMBERS, parameters)
        cursor.execute(LOCK_MEMBERS, parameters)
        return [customer_id for (customer_id,) in cursor.fetchall()]


def lock_member(customer_id: int) -> LoyaltyMember:
    """Return the member of a customer, locked until the caller's transaction ends."""
    lock_members([customer_id])
    return LoyaltyMember.objects.select_related("level").get(pk=customer_id)


def refresh_expiry(customer_ids: Collection[int]) -> None:
    """Update which points of these members expire next, after their ledger has changed."""
    with connection.cursor() as cursor:
        cursor.execute(REFRESH_EXPIRY, {"ids": format_bigint_list(sorted(customer_ids)), "zone": get_time_zone_name()})


def adjust_points(*, customer_id: int, points: int, note: str, by: str, key: str, now: datetime) -> PointEntry:
    """Add or deduct points manually, once per key.

    Raises:
        PointsError: the points are 0, or more are deducted than the customer can spend.
    """
    if not points:
        raise PointsError("zero", "0")
    with transaction.atomic():
        member = lock_member(customer_id)
        existing = PointEntry.objects.filter(cause=f"manual:{key}").first()
        if existing is not None:
            return existing
        if points < 0 and member.available + points < 0:
            raise PointsError("insufficient", str(member.available))
        entry = PointEntry.objects.create(
            customer_id=customer_id,
            kind=PointEntry.Kind.MANUAL,
            points=points,
            at=now,
            cause=f"manual:{key}",
            expires_on=find_expiry_day(load_program(), now) if points > 0 else None,
            note=note,
            by=by,
        )
        refresh_expiry([customer_id])
    return entry
