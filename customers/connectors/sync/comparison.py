"""Which fields of a record differed from the shop: our rows before and after a write, so that both values have the same form."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catalog.bulk_results import BulkResult, ItemStatus
from catalog.models import Product
from customers.events.models import Source
from customers.identity.models import Customer
from customers.identity.resolution.user_ids import find_customers_by_user_id
from customers.orders.models import Order, OrderLine

PRODUCT_SHOWN = (
    *("title", "price", "stock", "availability", "category", "is_active", "sku", "brand", "currency", "cost"),
    *("parent_id", "published_at", "is_draft"),
)
ORDER_SHOWN = (
    *("status", "total", "refunded", "discount", "shipping", "tax", "currency", "placed_at", "coupon", "channel"),
    "lines",
)
# only the names of these are stored: their values are long, or personal
PRODUCT_NAMED = ("description", "image_url", "url", "attributes", "tags")
ORDER_NAMED = ("line_amounts", "user_id", "email")
CUSTOMER_NAMED = ("name", "email", "phone", "birthday", "language", "country", "traits")
NAMED = (*PRODUCT_NAMED, *ORDER_NAMED, *CUSTOMER_NAMED)
MAX_VALUE = 80

type Rows = Mapping[str, Mapping[str, Any]]


def read_products(product_ids: Sequence[str]) -> Rows:
    shown = [name for name in PRODUCT_SHOWN if name != "category"]
    rows = Product.objects.filter(product_id__in=product_ids).values(
        "product_id", "category__path", *shown, *PRODUCT_NAMED
    )
    return {row["product_id"]: {**row, "category": row["category__path"]} for row in rows}


def read_orders(source: Source, order_ids: Sequence[str]) -> Rows:
    shown = [name for name in ORDER_SHOWN if name != "lines"]
    orders = Order.objects.filter(source=source, order_id__in=order_ids)
    rows = list(orders.values("pk", "order_id", "customer_id", "guest_email_hash", *shown))
    lines: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    columns = ("order_id", "quantity", "product__product_id", "unit_price", "discount", "total")
    found = OrderLine.objects.filter(order__in=[row["pk"] for row in rows]).order_by("line_number")
    for order_number, *line in found.values_list(*columns):
        lines[order_number].append(tuple(line))
    return {
        row["order_id"]: {
            **row,
            "lines": ", ".join(
                f"{quantity.normalize():f} × {product}" for quantity, product, *_rest in lines[row["pk"]]
            ),
            "line_amounts": [line[2:] for line in lines[row["pk"]]],
            "user_id": row["customer_id"],
            "email": row["guest_email_hash"],
        }
        for row in rows
    }


def read_customers(user_ids: Sequence[str]) -> Rows:
    numbers = find_customers_by_user_id(user_ids=list(user_ids))
    rows = Customer.objects.filter(pk__in=list(numbers.values())).values("pk", *CUSTOMER_NAMED)
    by_number = {row["pk"]: row for row in rows}
    return {user_id: by_number[number] for user_id, number in numbers.items() if number in by_number}


def describe_updates(
    read: Callable[[Sequence[str]], Rows], keys: Sequence[str], before: Rows, written: BulkResult
) -> dict[int, str]:
    """Return what a write changed, by the index of the updated item. keys: of the items; before: the rows before the write."""
    updated = {item.index: keys[item.index] for item in written.results if item.status is ItemStatus.UPDATED}
    after = read(list(updated.values())) if updated else {}
    return {
        index: describe_changes(before[key], after[key])
        for index, key in updated.items()
        if key in before and key in after
    }


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the compared fields that differ, as "price: 4.50 → 5.00; description"."""
    changes = []
    for name in dict.fromkeys((*PRODUCT_SHOWN, *ORDER_SHOWN, *NAMED)):
        if name in before and before[name] != after[name]:
            values = f"{name}: {format_value(before[name])} → {format_value(after[name])}"
            changes.append(name if name in NAMED else values)
    return "; ".join(changes)


def format_value(value: Any) -> str:
    return "" if value is None else str(value)[:MAX_VALUE]
