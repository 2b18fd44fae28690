"""What the page shows for any measure: a sentence, charts, a table, and rows for a CSV file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from config.foundation.backoffice.tables import Column
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, select_group
from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.periods import PeriodUnit
from recommendations.outcomes.backoffice.figure_names import label_outcome_group
from recommendations.outcomes.backoffice.labels import label_short

type Cells = dict[str, Any]


@dataclass(frozen=True)
class OutcomeView:
    """A measure as the page shows it.

    Attributes:
        sentence: a summary of the latest complete period. warning: what the reader must know first. empty: what to do while there
            is nothing to measure. columns, rows: of the table below the charts, latest period first.
    """

    sentence: str
    charts: Sequence[ResultChart] = ()
    warning: str = ""
    empty: str = ""
    notes: Sequence[str] = ()
    table_title: str = ""
    columns: Sequence[Column] = ()
    rows: Sequence[Cells] = field(default_factory=list)


@dataclass(frozen=True)
class OutcomeDisplay:
    """How a measure is shown. show: returns its view. list_rows: the rows of its CSV file, the names of the columns first."""

    purpose: Any
    show: Callable[[Any, ResultContext], OutcomeView]
    list_rows: Callable[[Any, ResultContext], list[list[Any]]]


def get_unit(context: ResultContext) -> PeriodUnit:
    unit: PeriodUnit = context.parameters.unit
    return unit


def label(period: Any, context: ResultContext) -> str:
    """Return the name of a period of a result."""
    return label_short(period.start, get_unit(context), is_complete=period.is_complete)


def name_group(group: GroupKey | None, context: ResultContext, everyone: str) -> str:
    """Return the name of a group; everyone: the name for all customers together."""
    if group is None:
        return everyone
    return label_outcome_group(group, context.parameters, with_personal=context.with_personal)


def link(context: ResultContext, period: date, people: float, group: GroupKey | None = None, **more: Any) -> str:
    """Return the URL of the list of people behind a figure; none if there are no people."""
    return context.link({"period": period.isoformat(), **more, **select_group(group)}, people)


def find_latest(periods: Sequence[Any]) -> tuple[Any | None, Any | None]:
    """Return the latest complete period, and the current incomplete one."""
    complete = [period for period in periods if period.is_complete]
    latest = complete[-1] if complete else None
    current = periods[-1] if periods and not periods[-1].is_complete else None
    return latest, current
