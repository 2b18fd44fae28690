"""Orders the customers of the list and cuts them into pages, without counting or sorting millions of rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import F, Func, QuerySet

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile

MAX_PAGED = 10_000  # users find later rows with filters, not by paging
PAGE_SIZE = 25
WINDOWS = (500, 5_000, 50_000)
# keys of the URL and the field that orders the rows
SORT_FIELDS = {
    "customer": "pk",
    "value": "profile__value",
    "last_order": "profile__last_order_at",
    "churn": "profile__churn",
}
DEFAULT_SORT = "-last_order"


@dataclass(frozen=True)
class CustomerPage:
    """The IDs of one page. total: the number of customers, or `MAX_PAGED` if there are more (is_capped)."""

    ids: Sequence[int]
    number: int
    pages: int
    total: int
    is_capped: bool


def clean_sort(sort: str) -> str:
    """Return the sort key, descending with "-"; the default if it is unknown."""
    return sort if sort.removeprefix("-") in SORT_FIELDS else DEFAULT_SORT


def cut_page(
    customers: QuerySet[Customer],
    *,
    sort: str,
    number: int,
    unset_fields: Collection[str] = (),
    page_size: int = PAGE_SIZE,
) -> CustomerPage:
    """Return one page; customers without a value come last. A page beyond the last one is the last one.

    unset_fields: fields of the profile that none of the customers has, because the filter says so.
    """
    column, is_descending = SORT_FIELDS[sort.removeprefix("-")], sort.startswith("-")
    found = list(customers.order_by().values_list("pk", F(column))[: MAX_PAGED + 1])
    is_capped = len(found) > MAX_PAGED
    total = min(len(found), MAX_PAGED)
    pages = max(-(-total // page_size), 1)
    number = min(max(number, 1), pages)
    start = (number - 1) * page_size
    ids: Sequence[int]
    if is_capped:
        if column.removeprefix("profile__") in unset_fields:  # the database would look for a value among all customers
            column, is_descending = "pk", False
        ids = read_ids(customers, column, is_descending=is_descending, start=start, end=start + page_size)
    else:
        found.sort(key=lambda row: row[0])
        known = sorted((row for row in found if row[1] is not None), key=lambda row: row[1], reverse=is_descending)
        ordered = known + [row for row in found if row[1] is None]
        ids = [pk for pk, _value in ordered[start : start + page_size]]
    return CustomerPage(ids, number, pages, total, is_capped)


def read_ids(customers: QuerySet[Customer], column: str, *, is_descending: bool, start: int, end: int) -> list[int]:
    """Return the IDs of a page of a filter that matches many: first those with a value, in its order, then those without.

    A filter of customers and profiles follows the index of the column, which has the columns of the quick filters. For others, the first
    customers in the order are tested in growing numbers, until the page is full: the database would test an expensive condition for one
    customer at a time, even if few match. If the last of these steps is not enough, it sorts all that match.
    """
    if not reads_other_tables(customers):
        return read_in_order(customers, column, is_descending=is_descending, start=start, end=end)
    for size in WINDOWS:
        window = query_first(column, is_descending=is_descending, size=size)
        matching = set(customers.order_by().filter(pk__in=window.values("pk")).values_list("pk", flat=True))
        first = list(window.values_list("pk", flat=True))
        ids = [pk for pk in first if pk in matching]
        if len(ids) >= end:
            return ids[start:end]
        if len(first) < size:  # further customers have no value
            break
    value = Func(F(column), function="GREATEST")  # the value itself, in an order that no index has
    order = value.desc(nulls_last=True) if is_descending else value.asc(nulls_last=True)
    return list(customers.order_by(order, "pk").values_list("pk", flat=True)[start:end])


def reads_other_tables(customers: QuerySet[Customer]) -> bool:
    """Return whether the filter reads more than customers and profiles, whose indexes have the columns of the quick filters."""
    return "EXISTS" in str(customers.query)


def read_in_order(
    customers: QuerySet[Customer], column: str, *, is_descending: bool, start: int, end: int
) -> list[int]:
    """Return the IDs of a page in the order of the column's index: first those with a value, then those without."""
    order = f"{'-' if is_descending else ''}{column}"
    known = customers.filter(**{f"{column}__isnull": False}).order_by(order, "pk")
    ids = list(known.values_list("pk", flat=True)[start:end])
    if len(ids) == end - start:
        return ids
    n_known = start + len(ids) if ids else known[:start].count()
    unknown = customers.filter(**{f"{column}__isnull": True}).order_by("pk").values_list("pk", flat=True)
    return ids + list(unknown[max(start - n_known, 0) : end - n_known])


def query_first(column: str, *, is_descending: bool, size: int) -> QuerySet[CustomerProfile]:
    """Return the first customers with a value in the order of a column, whether they match or not."""
    name = column.removeprefix("profile__")
    profiles = CustomerProfile.objects.filter(**{f"{name}__isnull": False})
    return profiles.order_by(f"{'-' if is_descending else ''}{name}", "pk")[:size]
