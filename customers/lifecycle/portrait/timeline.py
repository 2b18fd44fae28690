"""The timeline of a customer, latest first: events, orders, returns and stage changes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Literal

from django.db.models import Q

from catalog.models import Product
from customers.events.models import Event
from customers.identity.models import Identifier
from customers.lifecycle.models import StageTransition
from customers.orders.models import Order

PER_PAGE = 30
MAX_PAGES = 100
MAX_PRODUCTS = 3


@dataclass(frozen=True)
class TimelineEntry:
    """One entry. kind: the type of the record `id`. name: event name or order ID. titles: the first products of an event.

    amount: of an order, a return or an event with a value, in `currency`.
    """

    kind: Literal["event", "order", "return", "stage"]
    id: int
    at: datetime
    name: str = ""
    titles: tuple[str, ...] = ()
    amount: object = None
    currency: str = ""
    stage_change: StageTransition | None = None


@dataclass(frozen=True)
class TimelinePage:
    entries: list[TimelineEntry]
    page: int
    more: bool


def build_timeline(*, customer_id: int, as_of: datetime, page: int = 1, with_events: bool = True) -> TimelinePage:
    """Return a page of what happened before `as_of`, in five queries; there are at most 100 pages.

    with_events: whether the reader may view events.

    Each source is read up to the last entry of this page, so that no entry with an equal time is lost between pages.
    """
    page = min(max(page, 1), MAX_PAGES)
    most = page * PER_PAGE + 1
    entries = [
        *(_list_events(customer_id, as_of, most) if with_events else ()),
        *_list_orders(customer_id, as_of, most),
        *_list_stage_changes(customer_id, as_of, most),
    ]
    entries.sort(key=attrgetter("at", "kind", "id"), reverse=True)
    first = (page - 1) * PER_PAGE
    return TimelinePage(
        list(add_product_titles(entries[first : first + PER_PAGE])),
        page,
        more=len(entries) > first + PER_PAGE and page < MAX_PAGES,
    )


def _list_events(customer_id: int, as_of: datetime, most: int) -> Iterable[TimelineEntry]:
    """Return the events of the customer's user IDs, and those without a user ID of their anonymous IDs."""
    names: dict[str, list[str]] = {}
    for kind, value in Identifier.objects.filter(customer_id=customer_id).values_list("kind", "value"):
        names.setdefault(kind, []).append(value)
    whose = Q(user_id__in=names.get(Identifier.Kind.USER_ID, [])) | Q(
        user_id="", anonymous_id__in=names.get(Identifier.Kind.ANONYMOUS_ID, [])
    )
    found = Event.objects.filter(whose, occurred_at__lt=as_of).defer("properties", "context")
    return [
        TimelineEntry(
            "event",
            one.pk,
            one.occurred_at,
            one.name or one.type,
            tuple(one.product_ids[:MAX_PRODUCTS]),
            one.value,
            one.currency,
        )
        for one in found.order_by("-occurred_at", "-id")[:most]
    ]


def _list_orders(customer_id: int, as_of: datetime, most: int) -> Iterable[TimelineEntry]:
    found = Order.objects.filter(customer_id=customer_id, placed_at__lt=as_of)
    return [
        TimelineEntry(
            "return" if one.kind == Order.Kind.RETURN else "order",
            one.pk,
            one.placed_at,
            one.order_id,
            (),
            one.total,
            one.currency,
        )
        for one in found.order_by("-placed_at", "-id")[:most]
    ]


def _list_stage_changes(customer_id: int, as_of: datetime, most: int) -> Iterable[TimelineEntry]:
    found = StageTransition.objects.filter(customer_id=customer_id, at__lt=as_of).order_by("-at", "-id")[:most]
    return [TimelineEntry("stage", one.pk, one.at, stage_change=one) for one in found]


def add_product_titles(entries: list[TimelineEntry]) -> Iterable[TimelineEntry]:
    """Replace product IDs by titles from the catalog, in one query."""
    wanted = {product_id for entry in entries for product_id in entry.titles}
    titles = dict(Product.objects.filter(product_id__in=wanted).values_list("product_id", "title"))
    for entry in entries:
        named = tuple(titles.get(product_id, product_id) for product_id in entry.titles)
        yield replace(entry, titles=named)
