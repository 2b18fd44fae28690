"""What an event says about an order: read from whatever spelling the SDKs have, or refused with what would be right.

A statement is kept as plain JSON, amounts as texts, and is read again whenever another event of the same order arrives.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from catalog.categories import clean_path
from catalog.field_cleaning import UNSTORABLE, WrongValueError, known_currencies, show
from customers.events.event_taxonomy import Meaning
from customers.identity.resolution.blocklist import is_blocked_id

MOST_LINES = 1000
MOST_ORDER_ID = 100
MOST_PRODUCT_ID = 200
MONEY = Decimal("0.01")
UNIT_PRICE = Decimal("0.0001")
QUANTITY = Decimal("0.001")
MOST_MONEY = Decimal("1e10")
MOST_QUANTITY = Decimal("1e8")
GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d{1,2}")
# the name under which GA4 sends an order: its price has the discount taken off, and its discount is that of one piece
GA4_PURCHASE = "purchase"

ORDER_ID = ("order_id", "orderId", "transaction_id", "transactionId", "id")
PRODUCT_ID = ("product_id", "productId", "item_id", "id", "sku")
PRODUCTS = ("products", "items")
TITLE = ("name", "title", "item_name")
BRAND = ("brand", "item_brand")
CATEGORY = ("category", "item_category")
CHANNEL = ("affiliation", "channel")


class OrderEventError(Exception):
    """Why an event cannot be taken as one of an order; the event itself stays stored."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def order_id_of(properties: Mapping[str, Any], *, name: str) -> str:
    """Raises OrderEventError when there is none."""
    order_id = text_of(first(properties, ORDER_ID))
    if not order_id:
        raise OrderEventError("missing_order_id", f"{name} needs order_id: the shop's own number of the order.")
    if is_blocked_id(order_id):
        raise OrderEventError(
            "placeholder_order_id",
            f"order_id is {order_id!r}, which programs send where they have none; give the order's number.",
        )
    if len(order_id) > MOST_ORDER_ID:
        raise OrderEventError(
            "invalid_order_id", f"order_id has {len(order_id)} characters; at most {MOST_ORDER_ID} fit."
        )
    return order_id


def statement_of(properties: Mapping[str, Any], *, meaning: Meaning, name: str) -> dict[str, Any]:
    """What the event says of the order, without what it does not say.

    Raises:
        OrderEventError: names the field, its value and what would be right.
    """
    if meaning == Meaning.CANCELLATION:
        return {}
    if meaning == Meaning.REFUND:
        return refund_of(properties)
    return sale_of(properties, ga4=name.strip().casefold() == GA4_PURCHASE)


def sale_of(properties: Mapping[str, Any], *, ga4: bool) -> dict[str, Any]:
    said: dict[str, Any] = {}
    listed = products_of(properties)
    if listed is not None:
        lines = [line_of(product, field, ga4=ga4) for field, product in listed]
        said["lines"] = [line for line in lines if line is not None]
        subtotal = sum(Decimal(line["total"]) for line in said["lines"])
        if subtotal >= MOST_MONEY:
            raise OrderEventError("amount_too_large", f"The lines come to {subtotal}; less than {MOST_MONEY:f} fits.")
    for field in ("shipping", "tax", "total", "subtotal", "revenue", "value"):
        amount = money(properties.get(field), field)
        if amount is not None:
            if amount < 0:
                raise OrderEventError(
                    f"negative_{field}",
                    f"{field} is {amount}; an order's {field} is not negative. Send Order Refunded for what is given back.",
                )
            said[field] = str(amount)
    # discounts are sent with either sign
    discount = money(properties.get("discount"), "discount")
    if discount is not None:
        said["discount"] = str(abs(discount))
    if currency := currency_of(properties):
        said["currency"] = currency
    if coupon := text_of(properties.get("coupon"))[:100]:
        said["coupon"] = coupon
    if channel := text_of(first(properties, CHANNEL))[:100]:
        said["channel"] = channel
    return said


def refund_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Products, or an amount, or both; neither means everything. Refunds are sent with either sign."""
    said: dict[str, Any] = {}
    listed = products_of(properties)
    if listed:
        said["products"] = [returned_of(product, field) for field, product in listed]
    for field in ("amount", "total", "revenue", "value"):
        amount = money(properties.get(field), field)
        if amount is not None:
            said["amount"] = str(abs(amount))
            break
    if currency := currency_of(properties):
        said["currency"] = currency
    if refund_id := text_of(first(properties, ("refund_id", "refundId")))[:100]:
        said["refund_id"] = refund_id
    return said


def products_of(properties: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]] | None:
    """The listed products with the name of their field; a bare id stands for one piece. None where none are listed."""
    name = next((name for name in PRODUCTS if properties.get(name) is not None), None)
    if name is None:
        return None
    listed = properties[name]
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, list) or len(listed) > MOST_LINES:
        raise OrderEventError("invalid_products", f"{name} is {shown(listed)}; give a list of at most {MOST_LINES}.")
    found = []
    for number, product in enumerate(listed):
        field = f"{name}.{number}"
        if isinstance(product, str | int) and not isinstance(product, bool):
            product = {"product_id": product}
        if not isinstance(product, Mapping):
            raise OrderEventError(
                "invalid_products", f"{field} is {shown(product)}; give an object with product_id, price and quantity."
            )
        found.append((field, product))
    return found


def line_of(product: Mapping[str, Any], field: str, *, ga4: bool) -> dict[str, Any] | None:
    """One line; None for one of no pieces. Without a price it is free, without a quantity one piece."""
    pieces = quantity_of(product, field)
    if pieces is None:
        pieces = Decimal(1)
    if pieces < 0:
        raise OrderEventError(
            "negative_quantity",
            f"{field}.quantity is {pieces}; what is bought is counted from 1. Send Order Refunded for what is given back.",
        )
    price = money(product.get("price"), f"{field}.price", UNIT_PRICE) or Decimal(0)
    if price < 0:
        raise OrderEventError("negative_price", f"{field}.price is {price}; a price is not negative.")
    discount = abs(money(product.get("discount"), f"{field}.discount", UNIT_PRICE) or Decimal(0))
    if ga4:
        price, discount = price + discount, discount * pieces
    discount = min(discount, price * pieces).quantize(MONEY, ROUND_HALF_UP)
    stated = money(product.get("total"), f"{field}.total")
    total = stated if stated is not None and stated >= 0 else (price * pieces - discount).quantize(MONEY, ROUND_HALF_UP)
    if not pieces:
        return None
    if total >= MOST_MONEY:
        raise OrderEventError("amount_too_large", f"{field} comes to {total}; less than {MOST_MONEY:f} fits.")
    return {
        "product_id": product_id_of(product, field),
        "title": text_of(first(product, TITLE))[:500],
        "brand": text_of(first(product, BRAND))[:200],
        "category": category_of(product),
        "quantity": str(pieces),
        "unit_price": str(price),
        "discount": str(discount),
        "total": str(total),
    }


def returned_of(product: Mapping[str, Any], field: str) -> dict[str, Any]:
    pieces = quantity_of(product, field)
    price = money(product.get("price"), f"{field}.price", UNIT_PRICE)
    return {
        "product_id": product_id_of(product, field),
        "quantity": None if pieces is None else str(abs(pieces)),
        "price": None if price is None else str(abs(price)),
    }


def product_id_of(product: Mapping[str, Any], field: str) -> str:
    product_id = text_of(first(product, PRODUCT_ID))
    if not product_id:
        raise OrderEventError(
            "missing_product_id", f"{field} has no product_id; give the shop's own id of the product."
        )
    if len(product_id) > MOST_PRODUCT_ID:
        raise OrderEventError(
            "invalid_product_id",
            f"{field}.product_id has {len(product_id)} characters; at most {MOST_PRODUCT_ID} fit.",
        )
    return product_id


def category_of(product: Mapping[str, Any]) -> str:
    """The path of the category; GA4 sends its levels one by one."""
    stated = first(product, CATEGORY)
    if "item_category" in product:
        levels = [stated, *(product.get(f"item_category{level}") for level in range(2, 6))]
        stated = [level for level in levels if isinstance(level, str) and level.strip()]
    if isinstance(stated, str):
        stated = stated.replace("/", ">")
    try:
        return clean_path(stated) if isinstance(stated, str | list) else ""
    except WrongValueError:
        return ""


def currency_of(properties: Mapping[str, Any]) -> str:
    stated = properties.get("currency")
    if stated is None or stated == "":
        return ""
    code = stated.strip().upper() if isinstance(stated, str) else ""
    if code not in known_currencies():
        raise OrderEventError("unknown_currency", f"currency is {shown(stated)}; give an ISO 4217 code such as EUR.")
    return code


def quantity_of(product: Mapping[str, Any], field: str) -> Decimal | None:
    return number_of(first(product, ("quantity", "qty")), f"{field}.quantity", QUANTITY, most=MOST_QUANTITY)


def money(value: Any, field: str, places: Decimal = MONEY) -> Decimal | None:
    return number_of(value, field, places, most=MOST_MONEY)


def number_of(value: Any, field: str, places: Decimal, *, most: Decimal) -> Decimal | None:
    """A number, also one that came as a text such as "19.90", "1,299.00" or "19,90"; None where there is none."""
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
        raise OrderEventError("not_a_number", f"{field} is {shown(value)}; give a number such as 19.90.") from error
    if abs(number) >= most:
        raise OrderEventError("amount_too_large", f"{field} is {shown(value)}; less than {most:f} fits.")
    return number.quantize(places, ROUND_HALF_UP)


def first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def text_of(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return UNSTORABLE.sub("", str(value)).strip()


def shown(value: Any) -> str:
    return repr(value if isinstance(value, int | float | bool) else show(value)[:60])
