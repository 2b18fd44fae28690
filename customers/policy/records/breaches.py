"""The deadlines of breaches: what still has to be done, and by when."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from config.foundation.number_formats import format_duration, format_moment
from customers.policy.models import Breach
from customers.segments.membership import query_restricted_too


def list_open_breaches() -> Iterator[Breach]:
    """Yield the breaches of which someone still has to be notified, the oldest first."""
    for breach in Breach.objects.filter(closed_at=None).order_by("known_at"):
        if breach.must_tell_authority or breach.must_tell_people:
            yield breach


def describe_clock(breach: Breach, *, now: datetime) -> str:
    """Return what has to be done and by when; "" if nothing is left to do."""
    if breach.must_tell_authority:
        left = (breach.report_by - now).total_seconds()
        # whole hours, rounded down: “2 days left” for 44 hours would be too much
        time = abs(left) // 3600 * 3600 if abs(left) >= 3600 else abs(left)
        values = {"time": format_duration(time), "moment": format_moment(breach.report_by)}
        if left < 0:
            return _("Overdue by %(time)s: notify the authority and explain the delay.") % values
        return _("%(time)s left to tell the authority, until %(moment)s.") % values
    if breach.must_tell_people:
        return _("Tell the people affected without delay.")
    return ""


def count_affected(breach: Breach, *, now: datetime) -> int | None:
    """Return how many customers are in the segment of a breach now; the recorded number without a segment.

    Data whose processing is restricted is still stored, so a breach concerns it too.
    """
    if breach.segment is None:
        return breach.people_affected
    return query_restricted_too(segment=breach.segment, as_of=now).count()
