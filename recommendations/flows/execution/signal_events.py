"""What a signal contains: whether it is the goal or an exit, and what the templates of a flow get as ``event``.

That is the product that the signal is about, or the products of an order, from the catalog, and the properties of an event.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from catalog.models import Product
from customers.events.event_taxonomy import Meaning
from recommendations.flows.capture.birthdays import START_DAY
from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.capture.taken_signals import TakenSignal
from recommendations.flows.execution.order_signals import read_order_id, read_order_products
from recommendations.flows.machine.decisions import matches_filters
from recommendations.flows.machine.definition_schema import ORDER_PLACED
from recommendations.flows.machine.graph import FlowGraph

MAX_STORED_TEXT = 500
BEFORE_ORDERS = frozenset(
    {
        Meaning.SEARCH,
        Meaning.LIST_VIEW,
        Meaning.VIEW,
        Meaning.WISHLIST,
        Meaning.CART,
        Meaning.CART_VIEW,
        Meaning.COUPON,
        Meaning.CHECKOUT,
    }
)


def read_properties_of(signal: TakenSignal) -> Mapping[str, Any]:
    """Return the properties of an event, or the data of another signal."""
    properties: Mapping[str, Any] = signal.data.get("properties", signal.data)
    return properties


def build_entry_events(signals: Sequence[TakenSignal]) -> dict[int, dict[str, Any]]:
    """Return the event of each signal by its ID; products are read once.

    What a browser claims about a user stays out of messages: only the products, whose data is from the catalog.
    """
    wanted = {signal.product_id for signal in signals if signal.product_id and "product" not in signal.data}
    products = {
        product.product_id: describe_product(product)
        for product in Product.objects.filter(product_id__in=wanted).select_related("category")
    }
    ordered = read_order_products(signals)
    return {
        signal.pk: build_entry_event(signal, products, ordered.get(read_order_id(signal) or 0, []))
        for signal in signals
    }


def build_entry_event(
    signal: TakenSignal, products: Mapping[str, dict[str, Any]], ordered: Sequence[Product]
) -> dict[str, Any]:
    properties = read_properties_of(signal)
    event: dict[str, Any] = {}
    if not signal.data.get("is_claim"):
        event = {name: value for name, value in properties.items() if is_plain_value(value) and name != START_DAY}
    if "product" in signal.data:
        event["product"] = signal.data["product"]
    elif signal.product_id in products:
        event["product"] = products[signal.product_id]
    if ordered:
        event["products"] = [describe_product(product) for product in ordered]
        event.setdefault("product", event["products"][0])
    return event


def is_plain_value(value: Any) -> bool:
    """Return whether a value is a number or short text; the rest would only fill the table."""
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= MAX_STORED_TEXT)


def describe_product(product: Product) -> dict[str, Any]:
    """Return the data of a product for templates."""
    described = {
        "product_id": product.product_id,
        "title": product.title,
        "url": product.url,
        "image_url": product.image_url,
        "price": str(product.price) if product.price is not None else "",
        "currency": product.currency,
        "category": product.category.path if product.category else "",
    }
    return {name: value for name, value in described.items() if value}


def find_stop_moment(graph: FlowGraph, signal: TakenSignal) -> datetime:
    """Return when an event happened, for the comparison with the trigger.

    An order counts from the latest moment at which it may have been placed if the trigger is something that customers do before they order.
    Otherwise the same order may be the reason for the trigger, such as a stage or a confirmation.
    """
    is_before = graph.trigger["kind"] == "event" and normalize_event(graph.trigger["event"]) in BEFORE_ORDERS
    return signal.latest_at if is_before and signal.latest_at is not None else signal.at


def is_ended_by_orders(graph: FlowGraph) -> bool:
    """Return whether an order can be the goal or an exit of a flow."""
    return any(normalize_event(part["event"]) == ORDER_PLACED for _status, part in graph.list_stop_events())


def is_removal_of_other_product(event: Mapping[str, Any], signal: TakenSignal) -> bool:
    """Return whether a product was removed from the cart that is not the one of a stay, so that the stay goes on."""
    product = event.get("product")
    about = product.get("product_id") if isinstance(product, dict) else None
    return signal.name == Meaning.CART_REMOVAL and bool(signal.product_id) and about not in (None, signal.product_id)


def find_stop(graph: FlowGraph, signal: TakenSignal) -> str:
    """Return the status to which an event leads as the goal or an exit of a flow; empty if it is neither."""
    properties = read_properties_of(signal)
    for status, part in graph.list_stop_events():
        if normalize_event(part["event"]) == signal.name and matches_filters(properties, part.get("where", [])):
            return status
    return ""
