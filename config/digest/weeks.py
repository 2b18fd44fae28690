"""The weeks of a digest: the last complete one, the one before, and the same one a year before."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from config.foundation.backoffice.date_range import YEAR_DAYS, DateChoice, DayRange

WEEK_DAYS = 7


@dataclass(frozen=True)
class DigestWeek:
    """A week from Monday to Sunday in the shop's time zone. as_of: the moment of the digest."""

    days: DayRange
    as_of: datetime

    @property
    def before(self) -> DayRange:
        return self.days.shift(-WEEK_DAYS)

    @property
    def year_before(self) -> DayRange:
        """The same week of the year, 52 weeks before."""
        return self.days.shift(-YEAR_DAYS)

    def compare(self, other: DayRange) -> DateChoice:
        return DateChoice("custom", self.days, "previous", other)


def find_last_week(*, as_of: datetime) -> DigestWeek:
    """Return the last week that has ended."""
    today: date = timezone.localdate(as_of)
    monday = today - timedelta(days=today.weekday() + WEEK_DAYS)
    return DigestWeek(DayRange(monday, monday + timedelta(days=WEEK_DAYS - 1)), as_of)
