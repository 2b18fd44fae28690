"""The schedule of a rule: start, end and weekdays."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from config.foundation.shop.profile import get_time_zone

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule


def is_rule_open(rule: "Rule", *, now: datetime) -> bool:
    """Return whether a rule is within its schedule.

    Days start at midnight in the shop's time zone.
    """
    if rule.starts_at is not None and now < rule.starts_at:
        return False
    if rule.ends_at is not None and now >= rule.ends_at:
        return False
    return not rule.weekdays or timezone.localtime(now, get_time_zone()).isoweekday() in rule.weekdays


def find_next_change(rules: Sequence["Rule"], *, now: datetime) -> datetime | None:
    """Return the first moment after ``now`` at which one of the rules may open or close.

    Return None if there is none.
    """
    moments = [moment for rule in rules for moment in (rule.starts_at, rule.ends_at) if moment and moment > now]
    if any(rule.weekdays for rule in rules):
        moments.append(find_next_midnight(now=now))
    return min(moments, default=None)


def find_next_midnight(*, now: datetime) -> datetime:
    """Return the next midnight in the shop's time zone."""
    local = timezone.localtime(now, get_time_zone())
    tomorrow = (local + timedelta(days=1)).date()
    # From the date, not by adding a day to the time: days of a clock change have 23 or 25 hours.
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=local.tzinfo)


def can_overlap_in_time(first: "Rule", second: "Rule") -> bool:
    """Return whether the schedules of two rules overlap."""
    starts = max((rule.starts_at for rule in (first, second) if rule.starts_at), default=None)
    ends = min((rule.ends_at for rule in (first, second) if rule.ends_at), default=None)
    if starts is not None and ends is not None and starts >= ends:
        return False
    return not first.weekdays or not second.weekdays or bool(set(first.weekdays) & set(second.weekdays))
