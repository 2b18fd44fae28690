"""The parameters of all outcomes: which periods, and of which customers."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext as _

from customers.analytics.expressions.breakdowns import MAX_GROUPS
from customers.analytics.expressions.parameters import DateRange, ParameterError, require_between, require_one_of
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period

UNITS = (PeriodUnit.WEEK, PeriodUnit.MONTH, PeriodUnit.QUARTER)
# the page and REST offer no days: retention from one day to the next, and a day against the day before, say little
MEASURED_UNITS = (PeriodUnit.DAY, *UNITS)
SPLITS = ("", "segment", "channel", "stage", "city")
MAX_PERIODS = 120
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
    """

    unit: PeriodUnit = PeriodUnit.MONTH
    split: str = ""
    limit: int = 5

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
        """The numbers of the periods, see `periods.build_period`."""
        return range(number_period(self.since, self.unit), number_period(self.until, self.unit) + 1)

    @property
    def filtered_segment(self) -> str:
        """The segment to which everything is limited; empty for all customers."""
        return "" if self.split == "segment" else self.segment

    def get_start(self, number: int) -> date:
        return get_period_start(number, self.unit)

    def extend_days(self, periods: int) -> DateRange:
        """Return the days of the periods, and of this many periods before them."""
        numbers = self.numbers
        since, end = self.get_start(numbers.start - periods), self.get_start(numbers.stop)
        return DateRange(since=since, until=end - timedelta(days=1), segment=self.filtered_segment)

    def check_period(self, day: date) -> int:
        """Return the number of the period in which a day lies. Raises ParameterError: it is none of those measured."""
        number = number_period(day, self.unit)
        if number not in self.numbers:
            raise ParameterError(
                "period",
                _("%(day)s is not within %(since)s to %(until)s.")
                % {"day": day, "since": self.since, "until": self.until},
            )
        return number
