"""Deadlines by hand: months that are too short, weekends, holidays, and weekends that are worked instead."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from customers.privacy.due_dates import add_months, compute_due_at
from customers.privacy.regulations import Regulation, choose_regulation

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


def find_day(
    received: str, regulation: Regulation, country: str, zone: ZoneInfo = BERLIN, **options: float | bool
) -> date:
    due_at = compute_due_at(
        received_at=datetime.fromisoformat(received).replace(tzinfo=UTC),
        regulation=regulation,
        country=country,
        zone=zone,
        **options,  # type: ignore[arg-type]
    )
    assert (due_at.hour, due_at.minute) == (23, 59)
    return due_at.date()


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-01-15T10:00", date(2026, 2, 16)),  # February 15 is a Sunday
        ("2026-01-31T10:00", date(2026, 3, 2)),  # February has no 31st; the 28th is a Saturday
        ("2026-11-25T10:00", date(2026, 12, 28)),  # Christmas, then a weekend
        ("2026-03-03T23:30", date(2026, 4, 7)),  # in Berlin it is March 4; April 4 is a Saturday before Easter Monday
    ],
)
def test_a_month_of_the_gdpr_ends_on_a_working_day(received: str, expected: date) -> None:
    assert find_day(received, Regulation.GDPR, "DE") == expected


def test_an_extension_adds_two_months_and_a_pause_its_time() -> None:
    assert find_day("2026-01-15T10:00", Regulation.GDPR, "DE", is_extended=True) == date(2026, 4, 15)
    assert find_day("2026-01-15T10:00", Regulation.GDPR, "DE", paused=10 * 86400) == date(2026, 2, 25)


def test_working_days_of_china_leave_out_golden_week_and_count_its_make_up_days() -> None:
    # 2025: closed from October 1 to 8; Sunday September 28 and Saturday October 11 are worked instead
    assert find_day("2025-09-20T02:00", Regulation.PIPL, "CN", SHANGHAI) == date(2025, 10, 16)
    assert find_day("2026-11-26T02:00", Regulation.PIPL, "CN", SHANGHAI) == date(2026, 12, 17)


def test_the_ccpa_counts_calendar_days() -> None:
    assert find_day("2026-01-15T18:00", Regulation.CCPA, "US", ZoneInfo("America/Los_Angeles")) == date(2026, 3, 1)
    assert find_day("2026-01-15T10:00", Regulation.CCPA, "US", is_extended=True) == date(2026, 4, 15)


def test_the_country_chooses_the_regulation() -> None:
    countries = ("de", "GB", "CN", "US", "", "BR")
    chosen = [choose_regulation(country, default=Regulation.GDPR) for country in countries]
    assert chosen == ["gdpr", "gdpr", "pipl", "ccpa", "gdpr", "gdpr"]
    assert add_months(date(2026, 12, 31), 2) == date(2027, 2, 28)
