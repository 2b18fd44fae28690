"""Background tasks of the loyalty program."""

from celery import shared_task
from django.utils import timezone

from customers.loyalty import counting
from customers.loyalty.points.reservations import release_all_overdue


@shared_task(exclusive=True, quiet=True)
def count_loyalty() -> int:
    """Post the points of changed orders and feedback, change levels, and release reservations whose time is over."""
    release_all_overdue(now=timezone.now())
    return counting.count_pending(now=timezone.now())


@shared_task(exclusive=True)
def refresh_loyalty() -> int:
    """Expire points, and renew or end levels whose validity is over."""
    return counting.refresh_program(now=timezone.now())


@shared_task(exclusive=True)
def apply_rules(reason: str) -> int:
    """Recalculate all members by new rules; reason: recorded for upgrades, see `LevelChange.Reason`."""
    return counting.start_program(now=timezone.now(), reason=reason)
