"""The people behind one figure of a result."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR
from customers.analytics.expressions.parameters import ParameterError, parse_parameters
from customers.analytics.questions.registry import Question, get_question
from customers.analytics.sources import open_analytics_tables
from customers.warehouse.engines.registry import get_engine

MAX_LISTED = 10_000


@dataclass(frozen=True)
class PeopleOfFigure:
    """The number of people, and the IDs of the first ones in order of their ID."""

    count: int
    customer_ids: list[int]


def parse_selection(question: Question, content: Any) -> Any:
    """Return which figure of a result is meant. Raises ParameterError."""
    selection = parse_parameters(question.selection, content)
    start = getattr(selection, "start", None)
    if start is not None and (start.tzinfo is None or not MIN_YEAR < start.year < MAX_YEAR):
        raise ParameterError("start", _("%(start)s is not valid; use a moment with its time zone.") % {"start": start})
    return selection


def find_people(
    *, question: str, parameters: Any, selection: Any, now: datetime, limit: int = MAX_LISTED, after: int = 0
) -> PeopleOfFigure:
    """Return the customers behind a figure. Errors: ParameterError, WarehouseEngineError.

    Args:
        parameters, selection: objects of the types of the question, or JSON values. after: only list larger IDs.
    """
    kind = get_question(question)
    if not isinstance(parameters, kind.parameters):
        parameters = parse_parameters(kind.parameters, parameters)
    if not isinstance(selection, kind.selection):
        selection = parse_selection(kind, selection)
    with (
        open_analytics_tables(as_of=now, engine=get_engine()) as tables,
        tables.materialize(kind.people(tables, parameters, selection).distinct()) as people,
    ):
        count = tables.fetch(people.agg(count=people.count()))[0]["count"]
        rows = tables.fetch(people.filter(people.customer_id > after).order_by("customer_id").limit(limit))
    return PeopleOfFigure(count, [row["customer_id"] for row in rows])
