"""When waits end, in the time zone of the customer.

Days are calendar days: a wait of one day ends at the same local time, whether the day has 23, 24 or 25 hours. Hours and minutes
are elapsed time. A local time that a clock change skips is moved later by the length of the gap; if a local time occurs twice, the first counts.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from recommendations.flows.machine.definition_schema import WEEKDAYS


def compute_wait_end(duration: Mapping[str, int], *, start: datetime, zone: ZoneInfo) -> datetime:
    """Return the end of a wait of some days, hours and minutes."""
    end = start
    if days := duration.get("days", 0):
        local = start.astimezone(zone)
        end = _localize(local.replace(tzinfo=None) + timedelta(days=days), zone)
    return end.astimezone(UTC) + timedelta(hours=duration.get("hours", 0), minutes=duration.get("minutes", 0))


def find_next_hour(hour: str, *, start: datetime, zone: ZoneInfo, weekdays: Sequence[str] = ()) -> datetime:
    """Return the first moment from ``start`` on at which it is ``hour`` (HH:MM) on one of the weekdays; any day if there are none."""
    clock = time.fromisoformat(hour)
    allowed = {WEEKDAYS.index(name) for name in weekdays} or set(range(7))
    day = start.astimezone(zone).date()
    for _attempt in range(15):  # a week has every weekday; a second one in case the hour of today has passed
        moment = _localize(datetime.combine(day, clock), zone)
        if day.weekday() in allowed and moment >= start:
            return moment
        day += timedelta(days=1)
    raise AssertionError("every weekday occurs within two weeks")


def _localize(naive: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time, in UTC; a skipped one is moved by the length of the gap."""
    return naive.replace(tzinfo=zone).astimezone(UTC)
