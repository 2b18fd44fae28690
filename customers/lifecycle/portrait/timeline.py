"""The timeline of a customer, latest first: events, orders, returns and stage changes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Literal

from django.db.models import Q

from catalog.models import Product
from customers.events.event_labels import get_event_label
from customers.events.models import Event
from customers.identity.models import Identifier
from customers.identity.personal_data.masking import mask_text
from customers.lifecycle.models import StageTransition
from customers.orders.models import Order

PER_PAGE = 30
MAX_PAGES = 100
MAX_PRODUCTS = 3


@dataclass(frozen=True)
class TimelineEntry:
    """One entry.

    kind: the type of the record `id`. name: event name or order ID. event_type: of an event. titles: the first products of an event.
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
    event_type: str = ""

    @property
    def label(self) -> str:
        """The name of an event in the reader's language, or the order ID."""
        return get_event_label(self.name, self.event_type) if self.kind == "event" else self.name


@dataclass(frozen=True)
class TimelinePage:
    entries: list[TimelineEntry]
    page: int
    more: bool


def build_timeline(
    *, customer_id: int, as_of: datetime, page: int = 1, with_events: bool = True, with_personal: bool = False
) -> TimelinePage:
    """Return a page of the entries before `as_of`, in five queries; there are at most 100 pages.

    with_events: whether the reader may view events. with_personal: whether the reader may see personal data in their names.
    """
    page = min(max(page, 1), MAX_PAGES)
    # Any source alone may fill this page, so each is read up to its end; one more entry shows whether there is a next page.
    limit = page * PER_PAGE + 1
    entries = [
        *(_list_events(customer_id, as_of, limit) if with_events else ()),
        *_list_orders(customer_id, as_of, limit),
        *_list_stage_changes(customer_id, as_of, limit),
    ]
    entries.sort(key=attrgetter("at", "kind", "id"), reverse=True)
    first = (page - 1) * PER_PAGE
    return TimelinePage(
        list(add_product_titles(_mask_names(entries[first : first + PER_PAGE], with_personal=with_personal))),
        page,
        more=len(entries) > first + PER_PAGE and page < MAX_PAGES,
    )


def _list_events(customer_id: int, as_of: datetime, limit: int) -> Iterable[TimelineEntry]:
    """Return the events of the customer's user IDs and anonymous IDs.

    For anonymous IDs, only events without a user ID count.
    """
    values_by_kind: dict[str, list[str]] = {}
    for kind, value in Identifier.objects.filter(customer_id=customer_id).values_list("kind", "value"):
        values_by_kind.setdefault(kind, []).append(value)
    is_of_customer = Q(user_id__in=values_by_kind.get(Identifier.Kind.USER_ID, [])) | Q(
        user_id="", anonymous_id__in=values_by_kind.get(Identifier.Kind.ANONYMOUS_ID, [])
    )
    events = Event.objects.filter(is_of_customer, occurred_at__lt=as_of).defer("properties", "context")
    return [
        TimelineEntry(
            "event",
            event.pk,
            event.occurred_at,
            event.name,
            tuple(event.product_ids[:MAX_PRODUCTS]),
            event.value,
            event.currency,
            event_type=event.type,
        )
        for event in events.order_by("-occurred_at", "-id")[:limit]
    ]


def _list_orders(customer_id: int, as_of: datetime, limit: int) -> Iterable[TimelineEntry]:
    orders = Order.objects.filter(customer_id=customer_id, placed_at__lt=as_of)
    return [
        TimelineEntry(
            "return" if order.kind == Order.Kind.RETURN else "order",
            order.pk,
            order.placed_at,
            order.order_id,
            (),
            order.total,
            order.currency,
        )
        for order in orders.order_by("-placed_at", "-id")[:limit]
    ]


def _list_stage_changes(customer_id: int, as_of: datetime, limit: int) -> Iterable[TimelineEntry]:
    changes = StageTransition.objects.filter(customer_id=customer_id, at__lt=as_of).order_by("-at", "-id")[:limit]
    return [TimelineEntry("stage", change.pk, change.at, stage_change=change) for change in changes]


def _mask_names(entries: list[TimelineEntry], *, with_personal: bool) -> list[TimelineEntry]:
    return [replace(entry, name=mask_text(entry.name, with_personal=with_personal)) for entry in entries]


def add_product_titles(entries: list[TimelineEntry]) -> Iterable[TimelineEntry]:
    """Replace product IDs by titles from the catalog, in one query."""
    product_ids = {product_id for entry in entries for product_id in entry.titles}
    titles = dict(Product.objects.filter(product_id__in=product_ids).values_list("product_id", "title"))
    for entry in entries:
        entry_titles = tuple(titles.get(product_id, product_id) for product_id in entry.titles)
        yield replace(entry, titles=entry_titles)
