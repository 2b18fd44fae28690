"""Parses the properties of order events, in the spellings of all SDKs, into the content that the event log stores.

The content is plain JSON with amounts as texts. It is read again whenever another event of the same order arrives.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from catalog.categories import clean_path
from catalog.field_cleaning import UNSTORABLE, InvalidValueError, shorten_value
from config.foundation.currencies import get_known_currencies
from customers.events.event_taxonomy import Meaning
from customers.identity.resolution.blocklist import is_blocked_id
from customers.orders.order_rules import (
    EVENT_AMOUNT_LIMIT,
    EVENT_QUANTITY_LIMIT,
    ID_LENGTHS,
    MAX_LINES,
    MONEY,
    QUANTITY,
    TEXT_LENGTHS,
    UNIT_PRICE,
    NumberFormat,
)

# nobody groups the thousands of "0,500": half a kilogram, with a decimal comma
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
DECIMAL_COMMA = re.compile(r"[-+]?(\d+,\d{1,2}|0,\d{3})")
# GA4's name for an order event; its prices are net of the discount, and its discounts are per item
GA4_PURCHASE = "purchase"

ORDER_ID = ("order_id", "orderId", "transaction_id", "transactionId", "id")
PRODUCT_ID = ("product_id", "productId", "item_id", "id", "sku")
PRODUCTS = ("products", "items")
TITLE = ("name", "title", "item_name")
BRAND = ("brand", "item_brand")
CATEGORY = ("category", "item_category")
CHANNEL = ("affiliation", "channel")


class OrderEventError(Exception):
    """Why an order event is rejected; the event itself stays stored."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def read_order_id(properties: Mapping[str, Any], *, name: str) -> str:
    """Return the order ID; raises OrderEventError if it is missing, a placeholder or too long."""
    order_id = clean_scalar(get_first(properties, ORDER_ID))
    if not order_id:
        raise OrderEventError("missing_order_id", f"{name} has no order_id; set it to the shop's order number.")
    if is_blocked_id(order_id):
        raise OrderEventError(
            "placeholder_order_id",
            f"order_id is {order_id!r}, a placeholder that programs send when they have no value; set it to the order number.",
        )
    if len(order_id) > ID_LENGTHS["order_id"]:
        raise OrderEventError(
            "too_long", f"order_id has {len(order_id)} characters; the maximum is {ID_LENGTHS['order_id']}."
        )
    return order_id


def parse_order_event(properties: Mapping[str, Any], *, meaning: Meaning, name: str) -> dict[str, Any]:
    """Return the content of an order event; fields that the event lacks are absent.

    Raises:
        OrderEventError: names the field, its value and the fix.
    """
    if meaning == Meaning.CANCELLATION:
        return {}
    if meaning == Meaning.REFUND:
        return parse_refund(properties)
    return parse_sale(properties, ga4=name.strip().casefold() == GA4_PURCHASE)


def parse_sale(properties: Mapping[str, Any], *, ga4: bool) -> dict[str, Any]:
    content: dict[str, Any] = {}
    products = list_products(properties)
    if products is not None:
        lines = [parse_line(product, field, ga4=ga4) for field, product in products]
        content["lines"] = [line for line in lines if line is not None]
        subtotal = sum(Decimal(line["total"]) for line in content["lines"])
        if subtotal >= EVENT_AMOUNT_LIMIT:
            raise OrderEventError(
                "amount_too_large", f"The lines add up to {subtotal}; the total must be below {EVENT_AMOUNT_LIMIT:f}."
            )
    for field in ("shipping", "tax", "total", "subtotal", "revenue", "value"):
        amount = read_amount(properties.get(field), field)
        if amount is not None:
            if amount < 0:
                raise OrderEventError(
                    f"negative_{field}",
                    f"{field} is {amount}; it must not be negative. Send Order Refunded for returned items.",
                )
            content[field] = str(amount)
    # discounts are sent with either sign
    discount = read_amount(properties.get("discount"), "discount")
    if discount is not None:
        content["discount"] = str(abs(discount))
    if currency := read_currency(properties):
        content["currency"] = currency
    if coupon := clean_scalar(properties.get("coupon"))[: TEXT_LENGTHS["coupon"]]:
        content["coupon"] = coupon
    if channel := clean_scalar(get_first(properties, CHANNEL))[: TEXT_LENGTHS["channel"]]:
        content["channel"] = channel
    return content


def parse_refund(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a refund: products, an amount or both; neither means a full refund.

    SDKs send either sign.
    """
    content: dict[str, Any] = {}
    products = list_products(properties)
    if products:
        content["products"] = [parse_returned_product(product, field) for field, product in products]
    for field in ("amount", "total", "revenue", "value"):
        amount = read_amount(properties.get(field), field)
        if amount is not None:
            content["amount"] = str(abs(amount))
            break
    if currency := read_currency(properties):
        content["currency"] = currency
    if refund_id := clean_scalar(get_first(properties, ("refund_id", "refundId")))[:100]:
        content["refund_id"] = refund_id
    return content


def list_products(properties: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]] | None:
    """Return the products with the paths of their fields, or None if the event has none.

    A plain product ID counts as one item.
    """
    name = next((name for name in PRODUCTS if properties.get(name) is not None), None)
    if name is None:
        return None
    value = properties[name]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or len(value) > MAX_LINES:
        raise OrderEventError(
            "invalid_products", f"{name} is {format_value(value)}; it must be a list of at most {MAX_LINES} products."
        )
    products = []
    for number, product in enumerate(value):
        field = f"{name}.{number}"
        if isinstance(product, str | int) and not isinstance(product, bool):
            product = {"product_id": product}
        if not isinstance(product, Mapping):
            raise OrderEventError(
                "invalid_products",
                f"{field} is {format_value(product)}; it must be an object with product_id, price and quantity.",
            )
        products.append((field, product))
    return products


def parse_line(product: Mapping[str, Any], field: str, *, ga4: bool) -> dict[str, Any] | None:
    """Return an order line, or None if its quantity is 0.

    The default price is 0, the default quantity 1.
    """
    quantity = read_quantity(product, field)
    if quantity is None:
        quantity = Decimal(1)
    if quantity < 0:
        raise OrderEventError(
            "negative_quantity",
            f"{field}.quantity is {quantity}; it must be positive. Send Order Refunded for returned items.",
        )
    price = read_amount(product.get("price"), f"{field}.price", UNIT_PRICE) or Decimal(0)
    if price < 0:
        raise OrderEventError("negative_price", f"{field}.price is {price}; it must not be negative.")
    discount = abs(read_amount(product.get("discount"), f"{field}.discount", UNIT_PRICE) or Decimal(0))
    if ga4:
        price, discount = price + discount, discount * quantity
    discount = min(discount, price * quantity).quantize(MONEY.step, ROUND_HALF_UP)
    sent_total = read_amount(product.get("total"), f"{field}.total")
    total = (
        sent_total
        if sent_total is not None and sent_total >= 0
        else (price * quantity - discount).quantize(MONEY.step, ROUND_HALF_UP)
    )
    if not quantity:  # only here, so that an invalid price or discount of such a line is still reported
        return None
    if total >= EVENT_AMOUNT_LIMIT:
        raise OrderEventError(
            "amount_too_large", f"The total of {field} is {total}; it must be below {EVENT_AMOUNT_LIMIT:f}."
        )
    return {
        "product_id": read_product_id(product, field),
        "title": clean_scalar(get_first(product, TITLE))[: TEXT_LENGTHS["product_title"]],
        "brand": clean_scalar(get_first(product, BRAND))[: TEXT_LENGTHS["brand"]],
        "category": read_category(product),
        "quantity": str(quantity),
        "unit_price": str(price),
        "discount": str(discount),
        "total": str(total),
    }


def parse_returned_product(product: Mapping[str, Any], field: str) -> dict[str, Any]:
    quantity = read_quantity(product, field)
    price = read_amount(product.get("price"), f"{field}.price", UNIT_PRICE)
    return {
        "product_id": read_product_id(product, field),
        "quantity": None if quantity is None else str(abs(quantity)),
        "price": None if price is None else str(abs(price)),
    }


def read_product_id(product: Mapping[str, Any], field: str) -> str:
    product_id = clean_scalar(get_first(product, PRODUCT_ID))
    if not product_id:
        raise OrderEventError("missing_product", f"{field} has no product_id; set it to the shop's product ID.")
    if len(product_id) > ID_LENGTHS["product_id"]:
        raise OrderEventError(
            "too_long",
            f"{field}.product_id has {len(product_id)} characters; the maximum is {ID_LENGTHS['product_id']}.",
        )
    return product_id


def read_category(product: Mapping[str, Any]) -> str:
    """Return the category path; GA4 sends its levels as separate fields."""
    category = get_first(product, CATEGORY)
    if "item_category" in product:
        levels = [category, *(product.get(f"item_category{level}") for level in range(2, 6))]
        category = [level for level in levels if isinstance(level, str) and level.strip()]
    if isinstance(category, str):
        category = category.replace("/", ">")
    try:
        return clean_path(category) if isinstance(category, str | list) else ""
    except InvalidValueError:
        return ""


def read_currency(properties: Mapping[str, Any]) -> str:
    currency = properties.get("currency")
    if currency is None or currency == "":
        return ""
    code = currency.strip().upper() if isinstance(currency, str) else ""
    if code not in get_known_currencies():
        raise OrderEventError(
            "unknown_currency", f"currency is {format_value(currency)}; use an ISO 4217 code such as EUR."
        )
    return code


def read_quantity(product: Mapping[str, Any], field: str) -> Decimal | None:
    return parse_number(
        get_first(product, ("quantity", "qty")), f"{field}.quantity", QUANTITY, limit=EVENT_QUANTITY_LIMIT
    )


def read_amount(value: Any, field: str, number_format: NumberFormat = MONEY) -> Decimal | None:
    return parse_number(value, field, number_format, limit=EVENT_AMOUNT_LIMIT)


def parse_number(value: Any, field: str, number_format: NumberFormat, *, limit: Decimal) -> Decimal | None:
    """Parse a number, or a text such as "19.90", "1,299.00" or "19,90".

    None if there is no value.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    text = str(value).strip()
    if GROUPED.fullmatch(text):
        text = text.replace(",", "")
    elif DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidOperation
        number = Decimal(text)
        if not number.is_finite():
            raise InvalidOperation
    except InvalidOperation as error:
        raise OrderEventError(
            "bad_number", f"{field} is {format_value(value)}; it must be a number such as 19.90."
        ) from error
    if abs(number) >= limit:
        raise OrderEventError("amount_too_large", f"{field} is {format_value(value)}; it must be below {limit:f}.")
    return number.quantize(number_format.step, ROUND_HALF_UP)


def get_first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def clean_scalar(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return UNSTORABLE.sub("", str(value)).strip()


def format_value(value: Any) -> str:
    return repr(value if isinstance(value, int | float | bool) else shorten_value(value)[:60])
