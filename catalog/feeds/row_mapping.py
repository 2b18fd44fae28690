"""Rows of feeds of every format, and the mapping of their names to product fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem
from catalog.field_cleaning import (
    InvalidValueError,
    clean_moment,
    clean_price,
    is_empty,
    shorten_value,
)
from config.foundation.currencies import CURRENCY_SIGNS, get_known_currencies, split_amount

# product field → its names in feeds, in order of preference
FIELD_NAMES = {
    "product_id": ("product_id", "id", "item_id"),
    "parent_id": ("parent_id", "item_group_id"),
    "sku": ("sku",),
    "title": ("title", "name", "product_name"),
    "description": ("description", "summary", "content"),
    "category": ("category", "category_path", "product_type", "google_product_category"),
    "brand": ("brand", "vendor"),
    "price": ("price",),
    "currency": ("currency",),
    "cost": ("cost", "cost_of_goods_sold"),
    "availability": ("availability",),
    "stock": ("stock", "quantity", "inventory"),
    "image_url": ("image_url", "image_link", "image"),
    "url": ("url", "link"),
    "attributes": ("attributes",),
    "tags": ("tags",),
    "published_at": ("published_at",),
    "is_active": ("is_active", "active"),
}
REGULAR_PRICE = "regular_price"  # the attribute with the price before a sale
SALE_NAMES = frozenset({"sale_price", "sale_price_effective_date"})
KNOWN_NAMES = frozenset(name for names in FIELD_NAMES.values() for name in names) | SALE_NAMES
NUMBER_CHARACTERS = frozenset("0123456789.,")
CODE = re.compile(r"(?:[A-Z]{3})?")


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One row of a feed: its fields by normalized name, or the reason why it cannot be read."""

    line: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: FieldProblem | None = None


def normalize_name(name: str) -> str:
    """Return the name in lower case with underscores, without the prefix ``g:``.

    ``Image Link`` and ``g:image_link`` become ``image_link``.
    """
    return re.sub(r"[\s-]+", "_", name.strip().lstrip("\ufeff").lower()).removeprefix("g:")


def build_item(row: FeedRow, *, at: datetime, currency: str) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return the product fields of a row, not yet cleaned; unknown names become attributes.

    ``currency`` is that of prices without one.
    """
    if row.problem:
        return {}, [row.problem]
    item: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for product_field, names in FIELD_NAMES.items():
        present = [name for name in names if name in row.fields]
        if present:
            item[product_field] = get_first_filled(row.fields, present)
    clean_google_category(item, row.fields)
    attributes = collect_attributes(row.fields)
    own_currency = shorten_value(item.get("currency")).strip().upper() or currency
    read_price = partial(read_prices, row.fields, attributes, at=at, currency=own_currency)
    read_cost_of_item = partial(
        read_cost, item, currency=own_currency
    )  # after the price: both must have the same currency
    for name, read in (("price", read_price), ("cost", read_cost_of_item)):
        try:
            item |= read()
        except FieldValueError as error:
            item.pop(name, None)
            problems.append(error.problem)
    if attributes and isinstance(declared := item.get("attributes") or {}, dict):
        item["attributes"] = attributes | declared
    elif "attributes" not in item and any(name not in KNOWN_NAMES for name in row.fields):
        item["attributes"] = {}
    return item, problems


def get_first_filled(fields: Mapping[str, Any], names: list[str]) -> Any:
    return next((fields[name] for name in names if not is_empty(fields[name])), fields[names[0]])


def clean_google_category(item: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Remove Google's numeric category, which means nothing without its taxonomy.

    Keep the first of several product types.
    """
    category = item.get("category")
    from_google = "category" not in fields and "category_path" not in fields
    if from_google and isinstance(category, list):
        item["category"] = category = category[0]
    if from_google and isinstance(category, str) and category.strip().isdigit():
        item["category"] = ""


def collect_attributes(fields: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        name.removeprefix("attributes.").removeprefix("attribute:"): value
        for name, value in fields.items()
        if name not in KNOWN_NAMES and not is_empty(value)
    }
    google_category = fields.get("google_product_category")
    if not is_empty(google_category):
        attributes["google_product_category"] = google_category
    return attributes


class FieldValueError(Exception):
    """A wrong value and its field."""

    def __init__(self, name: str, code: str, message: str, value: object) -> None:
        super().__init__(message)
        self.problem = FieldProblem(name, code, message, shorten_value(value))


def read_prices(
    fields: Mapping[str, Any], attributes: dict[str, Any], *, at: datetime, currency: str
) -> dict[str, Any]:
    """Return the current price; during a sale, the regular price becomes an attribute. Two equal prices are no sale.

    ``currency`` is that of a price without one.
    """
    if "price" not in fields:
        return {}
    price, price_currency = read_money("price", fields["price"], currency)
    regular: dict[str, Any] = {"price": price} | ({"currency": price_currency} if price_currency else {})
    sale, sale_currency = read_money("sale_price", fields.get("sale_price"), price_currency or currency)
    if sale is None or not is_sale_active(fields.get("sale_price_effective_date"), at=at):
        return regular
    if sale_currency != price_currency:
        raise FieldValueError(
            "sale_price",
            "currency_mismatch",
            _("The sale price must have the currency of the price, %(currency)s.") % {"currency": price_currency},
            fields.get("sale_price"),
        )
    if price is not None and sale > price:
        message = _("The sale price must be lower than the price.")
        raise FieldValueError("sale_price", "not_lower", message, fields.get("sale_price"))
    if sale == price:
        return regular
    if price is not None:
        attributes[REGULAR_PRICE] = str(price)
    return regular | {"price": sale}


def read_cost(item: Mapping[str, Any], *, currency: str) -> dict[str, Any]:
    """Return the cost of the product to the shop.

    A currency in the cost must be the currency of the price.
    """
    if "cost" not in item:
        return {}
    price_currency = shorten_value(item.get("currency")).strip().upper()
    cost, cost_currency = read_money("cost", item["cost"], price_currency or currency)
    if cost_currency and price_currency and cost_currency != price_currency:
        raise FieldValueError(
            "cost",
            "currency_mismatch",
            _("The cost must have the currency of the price, %(currency)s.") % {"currency": item["currency"]},
            item["cost"],
        )
    return {"cost": cost}


def read_money(name: str, value: Any, currency: str) -> tuple[Decimal | None, str]:
    """Parse an amount and its currency, which is empty if the amount has none, or only a sign of ``currency``.

    For example ``19.90 EUR``, ``EUR 19.90``, ``€19.90``, ``1,299.00`` or ``19,90``.
    """
    try:
        if is_empty(value):
            return None, ""
        if not isinstance(value, str):
            return clean_price(value), ""
        number, unit = split_amount(value)
        if not is_number(number) or not (unit in CURRENCY_SIGNS or CODE.fullmatch(unit)):
            raise InvalidValueError(
                "bad_price",
                _("%(value)s is not a valid price; use a format like 19.90 EUR.")
                % {"value": repr(shorten_value(value))},
            )
        own_currency = find_currency(unit, currency)
        return clean_price(normalize_decimal(number)), own_currency
    except InvalidValueError as error:
        raise FieldValueError(name, error.code, error.message, value) from error


def is_number(text: str) -> bool:
    """Return whether a text consists of digits, marks and spaces, and ends with a digit."""
    digits = text.removeprefix("-")
    return set(digits[:1]) <= NUMBER_CHARACTERS and set(digits) <= NUMBER_CHARACTERS | {" "} and digits[-1:].isdecimal()


def find_currency(unit: str, currency: str) -> str:
    """Return the currency that a code or sign beside an amount stands for; empty if it only repeats ``currency`` with a sign."""
    codes = CURRENCY_SIGNS.get(unit, frozenset({unit} - {""}))
    if not codes or (unit in CURRENCY_SIGNS and currency in codes):
        return ""
    code = next(iter(codes))
    if len(codes) > 1 or code not in get_known_currencies():
        raise InvalidValueError(
            "unknown_currency",
            _("Unknown currency %(value)s; use an ISO 4217 code such as EUR.") % {"value": repr(unit)},
        )
    return code


def normalize_decimal(number: str) -> str:
    """Return a number with a decimal point and without grouping.

    The ambiguous ``1,299`` is rejected.
    """
    if re.fullmatch(r"-?\d+(\.\d+)?", number):
        return number
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+\.\d+", number) or re.fullmatch(r"-?\d{1,3}(,\d{3}){2,}", number):
        return number.replace(",", "")
    if re.fullmatch(r"-?\d+,\d{1,2}", number):
        return number.replace(",", ".")
    if re.fullmatch(r"-?\d{1,3}([.\s]\d{3})+,\d{1,2}", number):
        return re.sub(r"[.\s]", "", number).replace(",", ".")
    raise InvalidValueError(
        "bad_price", _("%(value)s is ambiguous; use a format like 1299.00.") % {"value": repr(number)}
    )


def is_sale_active(period: Any, *, at: datetime) -> bool:
    """Return whether ``at`` is within the period ``start/end``.

    Without a period the sale is always active.
    """
    if is_empty(period):
        return True
    starts_at, ends_at = read_sale_period(period)
    return starts_at <= at < ends_at


def find_price_change(fields: Mapping[str, Any], *, after: datetime) -> datetime | None:
    """Return when the sale of a row starts or ends next; None if its price does not depend on the time any more."""
    period = fields.get("sale_price_effective_date")
    if is_empty(period) or is_empty(fields.get("sale_price")):
        return None
    try:
        return next((moment for moment in read_sale_period(period) if moment > after), None)
    except FieldValueError:
        return None  # the row is rejected


def read_sale_period(period: Any) -> tuple[datetime, datetime]:
    start, slash, end = shorten_value(period).partition("/")
    try:
        starts_at, ends_at = clean_moment(start), clean_moment(end)
    except InvalidValueError as error:
        raise FieldValueError("sale_price_effective_date", error.code, error.message, period) from error
    if not slash or starts_at is None or ends_at is None:
        message = _("Use two times separated by a slash, such as 2026-05-01T00:00Z/2026-05-08T00:00Z.")
        raise FieldValueError("sale_price_effective_date", "bad_time", message, period)
    return starts_at, ends_at
