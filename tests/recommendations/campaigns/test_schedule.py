"""When runs start, over changes to daylight-saving time and months of different lengths."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from recommendations.campaigns.schedule import Schedule, find_next_run, list_runs

NEW_YORK = ZoneInfo("America/New_York")
LAUNCH = datetime(2026, 2, 1, 12, tzinfo=UTC)
WEEKLY = Schedule(kind="recurring", zone=NEW_YORK, frequency="weekly", weekdays=(1, 4), send_time=time(9))
MONTHLY = replace(WEEKLY, frequency="monthly", month_day=31)


def list_times(schedule: Schedule, after: datetime, until: datetime) -> list[str]:
    runs = list_runs(schedule, after=after, until=until, launched_at=LAUNCH)
    return [run.scheduled_for.strftime("%m-%d %H:%M") for run in runs]


def test_a_weekly_run_stays_at_nine_oclock_when_clocks_change() -> None:
    march = list_times(WEEKLY, datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 13, tzinfo=UTC))
    assert march == ["03-05 14:00", "03-09 13:00", "03-12 13:00"]


def test_a_time_that_does_not_exist_is_an_hour_later_and_one_that_occurs_twice_is_the_first() -> None:
    sundays = replace(WEEKLY, weekdays=(7,), send_time=time(2, 30))
    assert list_times(sundays, datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)) == ["03-08 07:30"]
    autumn = replace(sundays, send_time=time(1, 30))
    assert list_times(autumn, datetime(2026, 10, 31, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)) == ["11-01 05:30"]


def test_a_monthly_run_on_the_31st_uses_the_last_day_of_shorter_months() -> None:
    assert list_times(MONTHLY, LAUNCH, datetime(2026, 5, 1, tzinfo=UTC)) == [
        "02-28 14:00",
        "03-31 13:00",
        "04-30 13:00",
    ]


def test_no_run_is_after_the_last_day_and_none_before_the_start() -> None:
    limited = replace(WEEKLY, starts_at=datetime(2026, 2, 10, tzinfo=UTC), ends_on=date(2026, 2, 16))
    assert list_times(limited, LAUNCH, datetime(2027, 1, 1, tzinfo=UTC)) == ["02-12 14:00", "02-16 14:00"]
    assert find_next_run(limited, after=datetime(2026, 2, 17, tzinfo=UTC), launched_at=LAUNCH) is None


def test_customers_local_time_is_prepared_when_the_first_zone_reaches_it() -> None:
    run = find_next_run(replace(WEEKLY, uses_customer_time=True), after=LAUNCH, launched_at=LAUNCH)
    assert run is not None
    assert run.scheduled_for == datetime(2026, 2, 2, 14, tzinfo=UTC)
    assert run.prepared_at == datetime(2026, 2, 1, 19, tzinfo=UTC)


def test_once_without_a_start_is_at_the_launch() -> None:
    once = Schedule(kind="once", zone=NEW_YORK)
    run = find_next_run(once, after=datetime(2020, 1, 1, tzinfo=UTC), launched_at=LAUNCH)
    assert run is not None
    assert run.scheduled_for == LAUNCH
    assert find_next_run(once, after=LAUNCH, launched_at=LAUNCH) is None
