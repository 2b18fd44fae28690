"""Points for a daily sign-in, once a day in the shop's time zone, with a bonus for several days in a row."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from customers.loyalty.models import PointEntry
from customers.loyalty.points.ledger import PointsError, lock_member, refresh_expiry
from customers.loyalty.program import find_expiry_day, get_shop_day, load_program


@dataclass(frozen=True)
class SignIn:
    """What a sign-in gave. is_new: False if the customer had already signed in on this day."""

    day: date
    is_new: bool
    streak: int
    points: int
    bonus: int
    balance: int


def sign_in(*, customer_id: int, now: datetime) -> SignIn:
    """Record the sign-in of a customer; a repetition on the same day adds nothing.

    Raises:
        PointsError: the program is not running.
    """
    program, today = load_program(), get_shop_day(now)
    if not program.is_enabled:
        raise PointsError("not_running", _("The loyalty program is not running. Start it under Customers › Loyalty."))
    with transaction.atomic():
        member = lock_member(customer_id)
        if member.signed_in_on is not None and member.signed_in_on >= today:
            return SignIn(today, False, member.streak, 0, 0, member.balance)
        is_following = member.signed_in_on == today - timedelta(days=1)
        member.streak = member.streak + 1 if is_following else 1
        member.signed_in_on, member.signed_in_at = today, now
        member.save(update_fields=["streak", "signed_in_on", "signed_in_at"])
        bonus = program.streak_bonus if member.streak % program.streak_days == 0 else 0
        entries = [
            PointEntry(
                customer_id=customer_id,
                kind=kind,
                points=points,
                at=now,
                cause=f"{kind}:{customer_id}:{today}",
                expires_on=find_expiry_day(program, now),
            )
            for kind, points in (
                (PointEntry.Kind.SIGN_IN.value, program.sign_in_points),
                (PointEntry.Kind.STREAK.value, bonus),
            )
            if points
        ]
        PointEntry.objects.bulk_create(entries)
        refresh_expiry([customer_id])
    added = program.sign_in_points + bonus
    return SignIn(today, True, member.streak, program.sign_in_points, bonus, member.balance + added)
