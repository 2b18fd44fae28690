"""What a signal contains: whether it is the goal or an exit, and what the templates of a flow get as ``event``.

That is the product that the signal is about, or the products of an order, from the catalog, and the properties of an event.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.models import Product
from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.capture.taken_signals import TakenSignal
from recommendations.flows.execution.order_signals import read_order_id, read_order_products
from recommendations.flows.machine.decisions import matches_filters
from recommendations.flows.machine.graph import FlowGraph

MAX_STORED_TEXT = 500


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
        event = {name: value for name, value in properties.items() if is_plain_value(value)}
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


def find_stop(graph: FlowGraph, signal: TakenSignal) -> str:
    """Return the status to which an event leads as the goal or an exit of a flow; empty if it is neither."""
    properties = read_properties_of(signal)
    for status, part in graph.list_stop_events():
        if normalize_event(part["event"]) == signal.name and matches_filters(properties, part.get("where", [])):
            return status
    return ""
