"""The customers behind a number of the Lifecycle page: the parts that all drill-downs share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse

from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.propensity.models import PROPENSITY_KINDS

MAX_AMOUNT = Decimal(10) ** 11  # the largest number that a segment condition accepts

OPERATORS = {"low": "gte", "high": "lte", "below": "lt"}

SIGNS = {"low": "≥", "high": "≤", "below": "<"}

type ConditionTree = dict[str, Any]


class DrilldownError(ValueError):
    """A URL that selects no customers. problems: messages for the user."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Drilldown:
    """A selection of customers.

    title, note: description of the selection. parameters: of its URL. condition: the segment condition that selects the same
    customers, or None if there is none. period: URL parameters of the page with the number, such as the compared days, for the link back.
    now: for a selection at an earlier time, the parameters of the same selection now, which a dynamic segment can use.
    """

    title: str
    note: str
    customers: QuerySet[CustomerProfile]
    parameters: dict[str, str]
    condition: ConditionTree | None = None
    period: dict[str, str] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        return urlencode(self.parameters)

    @property
    def query_now(self) -> str:
        return urlencode(self.now)


def make_drilldown_url(figure: str, **parameters: Any) -> str:
    """Return the URL of the list of customers behind a number.

    figure: a key of `DRILLDOWN_PARSERS`.
    """
    return f"{reverse('admin:lifecycle_drilldown')}?{urlencode({'figure': figure, **parameters})}"


def parse_amounts(parameters: Mapping[str, str]) -> dict[str, Decimal]:
    """Return the bounds of a range; empty if one of them is not a number."""
    try:
        amounts = {name: Decimal(parameters[name]) for name in OPERATORS if parameters.get(name)}
    except InvalidOperation:
        return {}
    return amounts if all(amount.is_finite() for amount in amounts.values()) else {}


def make_range_drilldown(
    column: str,
    bounds: Mapping[str, Decimal],
    *,
    parameters: dict[str, str],
    title: str,
    format_bound: Callable[[Decimal], str],
) -> Drilldown:
    """Return the customers whose column is within the bounds.

    The bounds have the keys of `OPERATORS`.
    """
    return Drilldown(
        title=title,
        note=", ".join(f"{SIGNS[name]} {format_bound(bound)}" for name, bound in bounds.items()),
        customers=CustomerProfile.objects.filter(
            **{
                f"{column}__{OPERATORS[name]}": float(bound) if column in PROPENSITY_KINDS else bound
                for name, bound in bounds.items()
            }
        ),
        parameters={**parameters, **{name: str(bound) for name, bound in bounds.items()}},
        condition=make_condition(
            *(make_comparison(column, OPERATORS[name], float(bound)) for name, bound in bounds.items())
        ),
    )


def make_comparison(name: str, op: str, value: Any) -> ConditionTree:
    return {"field": name, "op": op, "value": value}


def make_condition(*comparisons: ConditionTree) -> ConditionTree:
    return {"all": list(comparisons)}
