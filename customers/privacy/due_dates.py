"""When a request must be answered, by regulation, considering weekends and public holidays.

GDPR, Article 12(3): one month, which may be extended by two months if the person learns the reason within the first month. A period that
ends on a weekend or public holiday ends with the next working day (Regulation (EEC, Euratom) No 1182/71, Article 3(4)).
PIPL, Article 50, asks for a timely answer; 15 working days are the limit in the rules on apps from 2019
(App 违法违规收集使用个人信息行为认定方法, part 6).
CCPA, California Civil Code § 1798.130(a)(2)(A): 45 days, which may be extended by 45 days.
"""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.foundation.calendars.public_holidays import is_working_day
from customers.privacy.regulations import Regulation

MAX_DAYS_WITHOUT_WORK = 60


@dataclass(frozen=True)
class Deadline:
    """The length of a period and of its extension; each has one unit that is not zero."""

    months: int = 0
    days: int = 0
    working_days: int = 0
    more_months: int = 0
    more_days: int = 0
    more_working_days: int = 0
    moves_to_working_day: bool = False


DEADLINES: dict[str, Deadline] = {
    Regulation.GDPR: Deadline(months=1, more_months=2, moves_to_working_day=True),
    Regulation.PIPL: Deadline(working_days=15),
    Regulation.CCPA: Deadline(days=45, more_days=45),
}


def can_extend(regulation: str) -> bool:
    deadline = DEADLINES[regulation]
    return bool(deadline.more_months or deadline.more_days or deadline.more_working_days)


def compute_due_at(
    *,
    received_at: datetime,
    regulation: str,
    country: str,
    zone: ZoneInfo,
    is_extended: bool = False,
    paused: float = 0,
) -> datetime:
    """Return the end of the last day on which an answer is in time.

    Args:
        country: whose holidays count. zone: whose days count. paused: seconds for which the clock was paused.
    """
    deadline = DEADLINES[regulation]
    start = (received_at + timedelta(seconds=paused)).astimezone(zone).date()
    day = add_months(start, deadline.months + (deadline.more_months if is_extended else 0))
    day += timedelta(days=deadline.days + (deadline.more_days if is_extended else 0))
    day = add_working_days(
        day, deadline.working_days + (deadline.more_working_days if is_extended else 0), country=country
    )
    if deadline.moves_to_working_day:
        day = find_working_day(day, country=country)
    return datetime.combine(day, time(23, 59, 59), tzinfo=zone)


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month, or its last day if it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def add_working_days(day: date, number: int, *, country: str) -> date:
    """Return the last of a number of working days after a day; the day itself does not count."""
    while number:
        day += timedelta(days=1)
        number -= is_working_day(day, country=country)
    return day


def find_working_day(day: date, *, country: str) -> date:
    """Return the day itself if it is a working day, otherwise the next working day."""
    for _attempt in range(MAX_DAYS_WITHOUT_WORK):
        if is_working_day(day, country=country):
            return day
        day += timedelta(days=1)
    return day
