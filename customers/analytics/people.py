"""The people behind one figure of a result."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.analytics.expressions.parameters import parse_parameters
from customers.analytics.questions.registry import get_question
from customers.analytics.sources import open_analytics_tables

MAX_LISTED = 10_000


@dataclass(frozen=True)
class PeopleOfFigure:
    """The number of people, and the IDs of the first ones in order of their ID."""

    count: int
    customer_ids: list[int]


def find_people(
    *, question: str, parameters: Any, selection: Any, now: datetime, limit: int = MAX_LISTED
) -> PeopleOfFigure:
    """Return the customers behind a figure. Raises ParameterError.

    Args:
        parameters, selection: objects of the types of the question, or JSON values.
    """
    kind = get_question(question)
    if not isinstance(parameters, kind.parameters):
        parameters = parse_parameters(kind.parameters, parameters)
    if not isinstance(selection, kind.selection):
        selection = parse_parameters(kind.selection, selection)
    with (
        open_analytics_tables(as_of=now) as tables,
        tables.materialize(kind.people(tables, parameters, selection).distinct()) as people,
    ):
        count = tables.fetch(people.agg(count=people.count()))[0]["count"]
        rows = tables.fetch(people.order_by("customer_id").limit(limit))
    return PeopleOfFigure(count, [row["customer_id"] for row in rows])
