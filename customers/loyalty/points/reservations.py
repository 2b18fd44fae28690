"""Spending points in two steps: a checkout reserves them, and confirms or cancels them when the order is placed or abandoned."""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_count
from customers.loyalty.models import LoyaltyMember, PointEntry, PointReservation
from customers.loyalty.points.ledger import PointsError, lock_member, refresh_expiry
from customers.loyalty.program import load_program

Status = PointReservation.Status
RELEASE = """
WITH due AS (
    SELECT r.id, r.customer_id, r.points FROM loyalty_pointreservation r
    WHERE r.customer_id = ANY(%(ids)s::bigint[]) AND r.status = 'open' AND r.expires_at <= %(now)s
), closed AS (
    UPDATE loyalty_pointreservation r SET status = 'expired', closed_at = %(now)s FROM due WHERE r.id = due.id
    RETURNING r.customer_id, r.points
)
UPDATE loyalty_loyaltymember m SET reserved = m.reserved - c.points
FROM (SELECT customer_id, sum(points) AS points FROM closed GROUP BY customer_id) c WHERE m.customer_id = c.customer_id
"""
FIND_OVERDUE = """
SELECT DISTINCT customer_id FROM loyalty_pointreservation WHERE status = 'open' AND expires_at <= %s ORDER BY 1 LIMIT 10000
"""


def reserve_points(*, customer_id: int, points: int, reference: str, now: datetime) -> PointReservation:
    """Hold points of a customer for a checkout.

    Raises:
        PointsError: the customer has fewer points that are not reserved.
    """
    with transaction.atomic():
        lock_member(customer_id)
        release_overdue([customer_id], now=now)
        member = LoyaltyMember.objects.get(pk=customer_id)
        if points > member.available:
            raise PointsError(
                "insufficient_points",
                _("Points available: %(available)s; requested: %(points)s.")
                % {"available": format_count(max(member.available, 0)), "points": format_count(points)},
            )
        member.reserved += points
        member.save(update_fields=["reserved"])
        return PointReservation.objects.create(
            customer_id=customer_id,
            points=points,
            reference=reference,
            created_at=now,
            expires_at=now + timedelta(minutes=load_program().reservation_minutes),
        )


def close_reservation(
    *, customer_id: int, reservation_id: int, is_confirmed: bool, now: datetime
) -> PointReservation | None:
    """Spend or release reserved points; a repetition changes nothing. Return None for an unknown reservation.

    Raises:
        PointsError: the reservation was closed the other way, or has timed out.
    """
    wanted = Status.CONFIRMED if is_confirmed else Status.CANCELLED
    with transaction.atomic():
        lock_member(customer_id)
        release_overdue([customer_id], now=now)
        reservation = PointReservation.objects.filter(pk=reservation_id, customer_id=customer_id).first()
        if reservation is None or reservation.status == wanted:
            return reservation
        if reservation.status != Status.OPEN and (is_confirmed or reservation.status == Status.CONFIRMED):
            raise PointsError(
                "reservation_closed",
                _("The reservation is already closed: %(status)s. Reserve the points again.")
                % {"status": reservation.get_status_display()},
            )
        if reservation.status == Status.OPEN:
            member = LoyaltyMember.objects.get(pk=customer_id)
            member.reserved -= reservation.points
            member.save(update_fields=["reserved"])
        reservation.status, reservation.closed_at = wanted, now
        reservation.save(update_fields=["status", "closed_at"])
        if is_confirmed:
            PointEntry.objects.create(
                customer_id=customer_id,
                kind=PointEntry.Kind.REDEMPTION,
                points=-reservation.points,
                at=now,
                cause=f"reservation:{reservation.pk}",
                reference=reservation.reference,
            )
            refresh_expiry([customer_id])
    return reservation


def release_overdue(customer_ids: list[int], *, now: datetime) -> None:
    """Release reservations of locked members whose time is over."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, {"ids": customer_ids, "now": now})


def release_all_overdue(*, now: datetime) -> int:
    """Release the reservations of all members whose time is over; return the number of members."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(FIND_OVERDUE, [now])
            ids = [customer_id for (customer_id,) in cursor.fetchall()]
        for_update = LoyaltyMember.objects.filter(pk__in=ids).order_by("pk").select_for_update()
        release_overdue(list(for_update.values_list("pk", flat=True)), now=now)
    return len(ids)
