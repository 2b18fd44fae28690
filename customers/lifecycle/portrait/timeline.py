"""What a customer did and what became of it, newest first: events, orders and returns, moves between stages."""

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
MOST_PAGES = 100
MOST_PRODUCTS = 3


@dataclass(frozen=True)
class Entry:
    """kind: what id is of. name: the event's as it was sent, empty for others. product_ids: the first few that an event names.

    amount: of an order, a return or an event that names one, in currency.
    """

    kind: Literal["event", "order", "return", "stage"]
    id: int
    at: datetime
    name: str = ""
    titles: tuple[str, ...] = ()
    amount: object = None
    currency: str = ""
    move: StageTransition | None = None


@dataclass(frozen=True)
class Timeline:
    entries: list[Entry]
    page: int
    more: bool


def timeline(*, customer_id: int, as_of: datetime, page: int = 1, with_events: bool = True) -> Timeline:
    """A page of all that happened before ``as_of``; five queries, whatever there is. Pages end at the hundredth.

    with_events: whether the reader may see events.

    Of every source as much is read as all pages so far could show, so that nothing is lost between two entries of one moment.
    """
    page = min(max(page, 1), MOST_PAGES)
    most = page * PER_PAGE + 1
    entries = [
        *(_events(customer_id, as_of, most) if with_events else ()),
        *_orders(customer_id, as_of, most),
        *_moves(customer_id, as_of, most),
    ]
    entries.sort(key=attrgetter("at", "kind", "id"), reverse=True)
    first = (page - 1) * PER_PAGE
    return Timeline(
        list(with_titles(entries[first : first + PER_PAGE])),
        page,
        more=len(entries) > first + PER_PAGE and page < MOST_PAGES,
    )


def _events(customer_id: int, as_of: datetime, most: int) -> Iterable[Entry]:
    """An event is of the user that it names, or of the visitor where it names none."""
    names: dict[str, list[str]] = {}
    for kind, value in Identifier.objects.filter(customer_id=customer_id).values_list("kind", "value"):
        names.setdefault(kind, []).append(value)
    whose = Q(user_id__in=names.get(Identifier.Kind.USER_ID, [])) | Q(
        user_id="", anonymous_id__in=names.get(Identifier.Kind.ANONYMOUS_ID, [])
    )
    found = Event.objects.filter(whose, occurred_at__lt=as_of).defer("properties", "context")
    return [
        Entry(
            "event",
            one.pk,
            one.occurred_at,
            one.name or one.type,
            tuple(one.product_ids[:MOST_PRODUCTS]),
            one.value,
            one.currency,
        )
        for one in found.order_by("-occurred_at", "-id")[:most]
    ]


def _orders(customer_id: int, as_of: datetime, most: int) -> Iterable[Entry]:
    found = Order.objects.filter(customer_id=customer_id, placed_at__lt=as_of)
    return [
        Entry(
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


def _moves(customer_id: int, as_of: datetime, most: int) -> Iterable[Entry]:
    found = StageTransition.objects.filter(customer_id=customer_id, at__lt=as_of).order_by("-at", "-id")[:most]
    return [Entry("stage", one.pk, one.at, move=one) for one in found]


def with_titles(entries: list[Entry]) -> Iterable[Entry]:
    """Product ids become titles, where the catalogue has them; one query."""
    wanted = {product_id for entry in entries for product_id in entry.titles}
    titles = dict(Product.objects.filter(product_id__in=wanted).values_list("product_id", "title"))
    for entry in entries:
        named = tuple(titles.get(product_id, product_id) for product_id in entry.titles)
        yield replace(entry, titles=named)
