"""The customers that a bulk action concerns: those selected on the page, or all that match the filter."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest

from customers.identity.models import Customer
from customers.segments.backoffice.customer_list.access import parse_query
from customers.segments.customer_list.list_filter import ListFilter, query_listed
from customers.segments.customer_list.pages import PAGE_SIZE
from customers.segments.membership import query_customers

SELECTED, ALL = "selected", "all"


@dataclass(frozen=True)
class Selection:
    """The choice of a bulk action; ids are empty if all customers who match the filter are chosen."""

    list_filter: ListFilter
    scope: str
    ids: list[int]

    @property
    def query(self) -> str:
        return self.list_filter.query

    def query_customers(self, *, as_of: datetime) -> QuerySet[Customer]:
        """Return the customers. Errors: ConditionError."""
        if self.scope == ALL:
            return query_listed(self.list_filter, as_of=as_of)
        return query_customers().filter(pk__in=self.ids, profile__isnull=False)


def parse_selection(request: HttpRequest) -> Selection:
    """Return the selection of a form, at most one page of customers or all; Errors: PermissionDenied."""
    scope = ALL if request.POST.get("scope") == ALL else SELECTED
    numbers = request.POST.getlist("customer")[:PAGE_SIZE] if scope == SELECTED else []
    ids = [int(number) for number in numbers if number.isascii() and number.isdecimal() and len(number) < 19]
    return Selection(parse_query(request.POST.get("query", "")), scope, ids)
