"""Which periods are complete: they have ended, and the data of the shop began before them."""

from dataclasses import dataclass
from datetime import date, datetime

import ibis.expr.types as ir

from customers.analytics.expressions.periods import SECOND
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.parameters import OutcomeParameters


@dataclass(frozen=True)
class DataSpan:
    """The periods that the data covers completely: from ``first`` to the one before ``current``.

    Attributes:
        began_on: the day of the first fact; None without any. current: the number of the period that is not over yet.
    """

    began_on: date | None
    first: int
    current: int

    def is_complete(self, number: int) -> bool:
        return self.first <= number < self.current

    def list_begun(self, parameters: OutcomeParameters) -> range:
        """Return the periods of the parameters that have begun."""
        numbers = parameters.numbers
        return range(numbers.start, min(numbers.stop, self.current + 1))


def find_span(moments: ir.Table, tables: AnalyticsTables, parameters: OutcomeParameters) -> DataSpan:
    """Return the complete periods of facts.

    Args:
        moments: a table with the column ``at`` in microseconds, of all time.
    """
    current = parameters.number_day(tables.as_of.astimezone(tables.zone).date())
    began_at = tables.fetch(moments.agg(began_at=moments["at"].min()))[0]["began_at"]
    if began_at is None:
        return DataSpan(None, current, current)
    began_on = datetime.fromtimestamp(began_at / SECOND, tables.zone).date()
    first = parameters.number_day(began_on)
    return DataSpan(began_on, first if parameters.get_start(first) == began_on else first + 1, current)
