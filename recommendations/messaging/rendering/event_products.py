"""The products that triggered a message, as they are in the catalog when it is sent: hours or days may have passed since then."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q

from catalog.models import Product
from recommendations.messaging.substitution.recipients import Recipient
from recommendations.serving.state.product_index import ProductCard

IS_AVAILABLE = "is_available"


def refresh_events(
    recipients: Mapping[int, Recipient], *, is_transactional: bool, now: datetime
) -> dict[int, Recipient]:
    """Return the recipients with the current data of the products of their events, with one query.

    Products that rows must not show are marked with ``is_available: false``; their stored data remains for variables. Those are products
    that are sold out, deactivated, unknown, or that no longer cost less than before a price drop. Rows of transactional messages show
    all products, because they are about something that has happened, such as an order.
    """
    product_ids = {
        str(product["product_id"]) for recipient in recipients.values() for product in list_products(recipient.event)
    }
    if not product_ids:
        return dict(recipients)
    current = read_current(product_ids, now=now)
    return {
        customer_id: replace(recipient, event=refresh_event(recipient.event, current, is_transactional))
        for customer_id, recipient in recipients.items()
    }


def read_current(product_ids: Iterable[str], *, now: datetime) -> dict[str, dict[str, Any]]:
    """Return the data of the products that may be shown, by product ID."""
    shown = Q(published_at__isnull=True) | Q(published_at__lte=now)
    products = Product.objects.active().filter(shown, product_id__in=product_ids, is_draft=False)
    buyable = set(products.buyable().values_list("product_id", flat=True))
    return {
        product.product_id: {
            "title": product.title,
            "url": product.url,
            "image_url": product.image_url,
            "price": "" if product.price is None else str(product.price),
            "currency": product.currency,
            "brand": product.brand,
            "category": product.category.path if product.category else "",
            IS_AVAILABLE: product.product_id in buyable,
        }
        for product in products.select_related("category")
    }


def refresh_event(
    event: Mapping[str, Any], current: Mapping[str, dict[str, Any]], is_transactional: bool
) -> dict[str, Any]:
    refreshed = dict(event)
    if isinstance(event.get("products"), list):
        refreshed["products"] = [refresh_product(product, current, is_transactional) for product in event["products"]]
    if "product" in event:
        refreshed["product"] = refresh_product(event["product"], current, is_transactional)
    return refreshed


def refresh_product(product: Any, current: Mapping[str, dict[str, Any]], is_transactional: bool) -> Any:
    if not isinstance(product, dict) or not product.get("product_id"):
        return product
    known = current.get(str(product["product_id"]), {IS_AVAILABLE: False})
    refreshed = {**product, **known}
    if is_transactional:
        refreshed[IS_AVAILABLE] = True
    elif (old_price := read_price(product.get("old_price"))) is not None:
        price = read_price(refreshed.get("price"))
        refreshed[IS_AVAILABLE] = refreshed[IS_AVAILABLE] and price is not None and price < old_price
    return refreshed


def list_products(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the products of an event as they are stored: `products`, or `product`, as flows describe them."""
    described = event.get("products") or [event.get("product")]
    if not isinstance(described, list):
        return []
    return [product for product in described if isinstance(product, dict) and product.get("product_id")]


def get_products(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an event that describes products."""
    return {name: event[name] for name in ("product", "products") if name in event}


def list_available_cards(event: Mapping[str, Any]) -> list[ProductCard]:
    """Return the products of an event that rows may show."""
    return [read_card(product) for product in list_products(event) if product.get(IS_AVAILABLE, True)]


def read_card(product: Mapping[str, Any]) -> ProductCard:
    """Return the card of a product of an event; what is missing is empty."""
    texts = {
        name: str(product.get(name) or "") for name in ("title", "currency", "image_url", "url", "brand", "category")
    }
    return ProductCard(product_id=str(product["product_id"]), price=read_price(product.get("price")), **texts)


def read_price(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None
