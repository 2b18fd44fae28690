"""The filter of the customers list: quick filters, any segment condition and a search text, as parameters of a URL."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from config.foundation.database.statement_timeouts import is_statement_timeout
from config.foundation.json_nesting import load_json
from customers.identity.customer_search import build_customer_search
from customers.identity.models import Customer
from customers.segments.customer_list.quick_filters import QUICK_FILTERS, ConditionTree
from customers.segments.membership import query_matching

NO_CONDITION: ConditionTree = {"all": []}
MAX_SEARCH = 200


class ListFilterError(ValueError):
    """A URL with a filter that is not valid. problems: messages for the user."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class ListFilter:
    """Which customers the list shows.

    quick: the chosen key of each quick filter. condition: a segment condition, as JSON. search: a complete ID, address or number.
    """

    quick: Mapping[str, str] = field(default_factory=dict)
    condition: Any = None
    search: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.quick or self.condition or self.search)

    def to_condition(self) -> ConditionTree:
        """Return the segment condition of all filters but the search, which no condition can express."""
        comparisons = [
            comparison
            for name, key in self.quick.items()
            for comparison in QUICK_FILTERS[name].choices[key].comparisons
        ]
        if self.condition is None:
            return {"all": comparisons}
        inner = self.condition
        if isinstance(inner, dict) and inner.keys() == {"all"} and isinstance(inner["all"], list):
            return {"all": [*comparisons, *inner["all"]]}
        return {"all": [*comparisons, inner]} if comparisons else inner

    def to_parameters(self) -> dict[str, str]:
        """Return the parameters of the URL, without empty ones; the search comes last."""
        parameters = dict(self.quick)
        if self.condition is not None:
            parameters["condition"] = json.dumps(self.condition, ensure_ascii=False, separators=(",", ":"))
        return parameters | ({"q": self.search} if self.search else {})

    def find_unset_fields(self) -> set[str]:
        """Return the fields that no listed customer has, such as the last order of customers without one."""
        condition = self.to_condition()
        comparisons = condition.get("all", []) if isinstance(condition, dict) else []
        return {
            str(comparison.get("field"))
            for comparison in comparisons
            if isinstance(comparison, dict) and comparison.get("op") == "is_not_set"
        }

    @property
    def query(self) -> str:
        return urlencode(self.to_parameters())


class ListTimeoutError(Exception):
    """Finding the customers of a list takes longer than a statement may."""

    def __init__(self) -> None:
        super().__init__(_("Finding these customers takes too long. Remove a condition and try again."))


@contextmanager
def report_timeouts() -> Iterator[None]:
    """Raise ListTimeoutError if PostgreSQL stops a statement of the block, which is a transaction, because it takes too long."""
    try:
        with transaction.atomic():
            yield
    except OperationalError as error:
        if not is_statement_timeout(error):
            raise
        raise ListTimeoutError from error


def parse_list_filter(parameters: Mapping[str, str]) -> ListFilter:
    """Return the filter of a URL. Errors: ListFilterError."""
    problems: list[str] = []
    quick: dict[str, str] = {}
    for name, quick_filter in QUICK_FILTERS.items():
        key = parameters.get(name, "")
        if key in quick_filter.choices:
            quick[name] = key
        elif key:
            problems.append(
                _("“%(value)s” is not a valid choice of “%(name)s”; valid: %(choices)s.")
                % {"value": key[:100], "name": quick_filter.label, "choices": ", ".join(quick_filter.choices)}
            )
    condition = None
    if text := parameters.get("condition", "").strip():
        try:
            condition = load_json(text)
        except ValueError as error:
            problems.append(_("The condition is not valid JSON: %(reason)s") % {"reason": error})
    if problems:
        raise ListFilterError(problems)
    search = " ".join(parameters.get("q", "").replace("\0", "").split())[:MAX_SEARCH]
    return ListFilter(quick, None if condition == NO_CONDITION else condition, search)


def drop_search(list_filter: ListFilter) -> ListFilter:
    """Return the filter without its search text, which can be an email address and must not be stored."""
    return replace(list_filter, search="")


def query_listed(list_filter: ListFilter, *, as_of: datetime) -> QuerySet[Customer]:
    """Return the customers with a profile who match the filter, in no particular order.

    Raises:
        ConditionError: the condition is not valid.
    """
    customers = query_matching(condition=list_filter.to_condition(), as_of=as_of).filter(profile__isnull=False)
    return customers.filter(build_customer_search(list_filter.search)) if list_filter.search else customers
