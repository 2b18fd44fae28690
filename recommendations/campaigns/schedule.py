"""When the runs of a campaign start: once or by a weekly or monthly rule, at the shop's time or at each customer's local time.

Local times that a change to daylight-saving time skips are an hour later; of those that occur twice, the first counts.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from config.foundation.shop.profile import get_time_zone
from recommendations.campaigns.models import Campaign

# the first time zone to reach a time of day; a run at customers' local times is prepared then
EARLIEST_ZONE = ZoneInfo("Pacific/Kiritimati")
MAX_DAYS = (
    800  # how far to look ahead: February 29 can be eight years away, but shorter months use their last day instead
)


@dataclass(frozen=True)
class Schedule:
    """The schedule of a campaign, independent of the database. zone: of the shop."""

    kind: str
    zone: ZoneInfo
    starts_at: datetime | None = None
    frequency: str = ""
    weekdays: tuple[int, ...] = ()
    month_day: int = 1
    send_time: time = time(10)
    ends_on: date | None = None
    uses_customer_time: bool = False


@dataclass(frozen=True)
class PlannedRun:
    """A run to come. scheduled_for: the shop's time. prepared_at: when it starts; earlier if customers' local times are used."""

    scheduled_for: datetime
    prepared_at: datetime


def build_schedule(campaign: Campaign) -> Schedule:
    return Schedule(
        kind=campaign.kind,
        zone=get_time_zone(),
        starts_at=campaign.starts_at,
        frequency=campaign.frequency,
        weekdays=tuple(sorted(set(campaign.weekdays))),
        month_day=campaign.month_day,
        send_time=campaign.send_time,
        ends_on=campaign.ends_on,
        uses_customer_time=campaign.follows_local_time,
    )


def find_next_run(schedule: Schedule, *, after: datetime, launched_at: datetime) -> PlannedRun | None:
    """Return the first run scheduled later than ``after``; None if there is none.

    A campaign without a start runs as soon as it is launched.
    """
    return next(iterate_runs(schedule, after=after, launched_at=launched_at), None)


def list_runs(
    schedule: Schedule, *, after: datetime, until: datetime, launched_at: datetime, limit: int = 100
) -> list[PlannedRun]:
    """Return the runs scheduled later than ``after`` and before ``until``, at most ``limit``."""
    runs = takewhile(
        lambda run: run.scheduled_for < until, iterate_runs(schedule, after=after, launched_at=launched_at)
    )
    return [run for run, _number in zip(runs, range(limit), strict=False)]


def iterate_runs(schedule: Schedule, *, after: datetime, launched_at: datetime) -> Iterator[PlannedRun]:
    if schedule.kind == Campaign.Kind.ONCE:
        at = schedule.starts_at or launched_at
        if at > after:
            yield plan_run(schedule, at.astimezone(schedule.zone))
        return
    first = schedule.starts_at or launched_at
    day = max(first, after).astimezone(schedule.zone).date()
    for number in range(MAX_DAYS):
        candidate = day + timedelta(days=number)
        if schedule.ends_on is not None and candidate > schedule.ends_on:
            return
        if is_run_day(schedule, candidate):
            run = plan_run(schedule, datetime.combine(candidate, schedule.send_time, schedule.zone))
            if run.scheduled_for > after and run.scheduled_for >= first:
                yield run


def is_run_day(schedule: Schedule, day: date) -> bool:
    if schedule.frequency == Campaign.Frequency.MONTHLY:
        return day.day == min(schedule.month_day, monthrange(day.year, day.month)[1])
    return day.isoweekday() in schedule.weekdays


def plan_run(schedule: Schedule, local: datetime) -> PlannedRun:
    """Return the run for a time of the shop's clock."""
    scheduled_for = local.astimezone(UTC)
    if not schedule.uses_customer_time:
        return PlannedRun(scheduled_for, scheduled_for)
    return PlannedRun(scheduled_for, min(scheduled_for, convert_local_time(local, EARLIEST_ZONE)))


def convert_local_time(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clocks of another zone show the same date and time."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
