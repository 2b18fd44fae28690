"""Orders the customers of the list and cuts them into pages, without counting or sorting millions of rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet

from customers.identity.models import Customer

MAX_PAGED = 10_000  # users find later rows with filters, not by paging
PAGE_SIZE = 25
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
    """Return the IDs of a page from the database: first those with a value, in the order of its index, then those without."""
    order = f"{'-' if is_descending else ''}{column}"
    known = customers.filter(**{f"{column}__isnull": False}).order_by(order, "pk")
    ids = list(known.values_list("pk", flat=True)[start:end])
    if len(ids) == end - start:
        return ids
    n_known = start + len(ids) if ids else known[:start].count()
    unknown = customers.filter(**{f"{column}__isnull": True}).order_by("pk").values_list("pk", flat=True)
    return ids + list(unknown[max(start - n_known, 0) : end - n_known])
