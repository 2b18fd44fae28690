"""The parameters of all outcomes: which periods, and of which customers."""

from dataclasses import dataclass
from datetime import date, timedelta

import ibis.expr.types as ir
from django.utils.translation import gettext as _

from customers.analytics.expressions.breakdowns import MAX_GROUPS
from customers.analytics.expressions.parameters import DateRange, ParameterError, require_between, require_one_of
from customers.analytics.expressions.periods import EPOCH, PeriodUnit, build_period, get_period_start, number_period

UNITS = (PeriodUnit.WEEK, PeriodUnit.MONTH, PeriodUnit.QUARTER)
# the page and REST offer no days: retention from one day to the next, and a day against the day before, say little
MEASURED_UNITS = (PeriodUnit.DAY, *UNITS)
SPLITS = ("", "segment", "channel", "stage", "city")
MAX_PERIODS = 120
# of one period of any number of days; larger than 0, because engines round negative quotients differently
FIRST_NUMBER = 10
# after how many periods the same one of the next year comes; 364 days and 52 weeks keep the weekdays
YEAR_PERIODS = {PeriodUnit.DAY: 364, PeriodUnit.WEEK: 52, PeriodUnit.MONTH: 12, PeriodUnit.QUARTER: 4}


@dataclass(frozen=True, kw_only=True)
class OutcomeParameters(DateRange):
    """Which periods are measured: those in which since and until lie, and all between them. Each of them is measured as a whole.

    Attributes:
        segment: only its current customers are counted. With split “segment”: its customers compared with all others.
        split: segment, channel, stage, city or empty. channel: the sales channel of orders, or the traffic source of visits. stage, city:
            the customers' current ones; cities with few customers have no name.
        limit: the number of channels, stages or cities; the others are one group.
        is_one_period: since to until are one period, of any number of days, instead of those of the unit.
    """

    unit: PeriodUnit = PeriodUnit.MONTH
    split: str = ""
    limit: int = 5
    is_one_period: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("unit", self.unit, MEASURED_UNITS)
        require_one_of("split", self.split, SPLITS)
        require_between("limit", self.limit, 1, MAX_GROUPS)
        if self.split == "segment" and not self.segment:
            raise ParameterError("segment", _("empty; choose the segment that is compared with all other customers."))
        if len(self.numbers) > MAX_PERIODS:
            raise ParameterError(
                "since",
                _("more than %(maximum)s periods; choose a later day or longer periods.") % {"maximum": MAX_PERIODS},
            )

    @property
    def numbers(self) -> range:
        """The numbers of the periods, see `build_number`."""
        return range(self.number_day(self.since), self.number_day(self.until) + 1)

    @property
    def length(self) -> int:
        """The number of days from since to until."""
        return (self.until - self.since).days + 1

    @property
    def year_periods(self) -> int | None:
        """After how many periods the same one of the next year comes; None for one period of any number of days."""
        return None if self.is_one_period else YEAR_PERIODS[self.unit]

    def number_day(self, day: date) -> int:
        """Return the number of the period in which a day lies; that of one period from since to until is `FIRST_NUMBER`."""
        if self.is_one_period:
            return (day - self.since).days // self.length + FIRST_NUMBER
        return number_period(day, self.unit)

    def build_number(self, day: ir.IntegerValue) -> ir.IntegerValue:
        """Return `number_day` for a column of days, counted from 1970-01-01."""
        if self.is_one_period:
            return (day - ((self.since - EPOCH).days - FIRST_NUMBER * self.length)) // self.length
        return build_period(day, self.unit)

    @property
    def filtered_segment(self) -> str:
        """The segment to which everything is limited; empty for all customers."""
        return "" if self.split == "segment" else self.segment

    def get_start(self, number: int) -> date:
        if self.is_one_period:
            return self.since + timedelta(days=(number - FIRST_NUMBER) * self.length)
        return get_period_start(number, self.unit)

    def extend_days(self, periods: int) -> DateRange:
        """Return the days of the periods, and of this many periods before them."""
        numbers = self.numbers
        since, end = self.get_start(numbers.start - periods), self.get_start(numbers.stop)
        return DateRange(since=since, until=end - timedelta(days=1), segment=self.filtered_segment)

    def check_period(self, day: date) -> int:
        """Return the number of the period in which a day lies. Raises ParameterError: it is none of those measured."""
        number = self.number_day(day)
        if number not in self.numbers:
            raise ParameterError(
                "period",
                _("%(day)s is not within %(since)s to %(until)s.")
                % {"day": day, "since": self.since, "until": self.until},
            )
        return number
