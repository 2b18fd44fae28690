"""Product indexes without a database, and a plain evaluation of expressions on their products."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from customers.segments.conditions.value_parsing import parse_period
from recommendations.engine import IdMap
from recommendations.serving.expressions.expression import (
    AttributeComparison,
    ExpressionGroup,
    ExpressionNegation,
    ExpressionNode,
)
from recommendations.serving.state.product_index import PRODUCT_FIELDS, ProductIndex

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(PRODUCT_FIELDS, ""),
        "price": None,
        "currency": "",
        "cost": None,
        "image_url": "",
        "url": "",
        "brand": "",
        "category__path": None,
        "availability": "in_stock",
        "stock": None,
        "is_active": True,
        "published_at": None,
        "sku": "",
        "is_draft": False,
        "attributes": {},
        "tags": [],
        "created_at": None,
        "updated_at": NOW,
    }
)


def make_index(products: Sequence[Mapping[str, Any]]) -> ProductIndex:
    """Return the index of products with ids p0, p1 … and these fields."""
    index = ProductIndex(IdMap.of([]), more=len(products))
    rows = [{**DEFAULTS, "product_id": f"p{number}", **fields} for number, fields in enumerate(products)]
    for row in rows:
        for name in ("published", "created", "updated"):
            moment = row[f"{name}_at"]
            row[name] = None if moment is None else moment.timestamp()
    index.load_rows([tuple(row[name] for name in PRODUCT_FIELDS) for row in rows])
    index._index_skus()
    index._publish(NOW, changed=True)
    return index


def is_match(node: ExpressionNode, product: Mapping[str, Any]) -> bool:
    """Return whether a product matches, evaluated for this product alone."""
    if isinstance(node, ExpressionNegation):
        return not is_match(node.child, product)
    if isinstance(node, ExpressionGroup):
        return (all if node.every else any)(is_match(child, product) for child in node.children)
    positive = {"ne": "eq", "not_in": "in", "is_not_set": "is_set"}.get(node.op)
    if positive:
        return not is_match(AttributeComparison(node.attribute, positive, node.value), product)
    values = list_values(node.attribute, product)
    if node.op == "is_set":
        return bool(values)
    operands = node.value if isinstance(node.value, tuple) else (node.value,)
    return any(compare(node, value, operands) for value in values)


def list_values(attribute: str, product: Mapping[str, Any]) -> list[Any]:
    """Return the values of an attribute; none for a missing one."""
    fields = {**DEFAULTS, **product}
    if attribute == "tag":
        return [tag for tag in fields["tags"] if tag]
    if attribute.startswith("attributes."):
        value = fields["attributes"].get(attribute.removeprefix("attributes."))
        return [inner for inner in (value if isinstance(value, list) else [value]) if inner not in (None, "")]
    if attribute == "in_stock":
        is_tracked_out = fields["availability"] == "in_stock" and fields["stock"] is not None and fields["stock"] <= 0
        return [fields["availability"] != "out_of_stock" and not is_tracked_out]
    if attribute == "margin":
        price, cost = fields["price"], fields["cost"]
        return [float((price - cost) / price)] if price and cost is not None else []
    name = {"category": "category__path", "published": "published_at", "created": "created_at"}.get(
        attribute, attribute
    )
    value = fields[name]
    return [] if value in (None, "") else [float(value) if isinstance(value, Decimal) else value]


def compare(node: AttributeComparison, value: Any, operands: Sequence[Any]) -> bool:
    first = operands[0]
    if isinstance(value, datetime):
        return compare_moment(node.op, value, operands)
    if node.op in ("lt", "lte", "gt", "gte", "between"):
        number = read_number(value)
        low, high = first, operands[-1]
        return {
            "lt": number < low,
            "lte": number <= low,
            "gt": number > low,
            "gte": number >= low,
            "between": low <= number <= high,
        }[node.op]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if node.op == "contains":
        return first.casefold() in text.casefold()
    if node.op == "starts_with":
        return text.casefold().startswith(first.casefold())
    if node.attribute == "category":
        return any(text == path or text.startswith(f"{path} > ") for path in operands)
    return any(is_equal(value, text, operand) for operand in operands)


def is_equal(value: Any, text: str, operand: Any) -> bool:
    if isinstance(operand, bool):
        return text == str(operand).lower()
    return read_number(value) == operand if isinstance(operand, float) else text == operand


def read_number(value: Any) -> float:
    if isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan


def compare_moment(op: str, value: datetime, operands: Sequence[Any]) -> bool:
    if op in ("within_days", "older_than_days"):
        since = NOW.replace(minute=0, second=0) - timedelta(days=operands[0])
        return value >= since if op == "within_days" else value < since
    first, last = parse_period(operands[0]), parse_period(operands[-1])
    assert first is not None
    assert last is not None
    if op == "before":
        return value < first.start
    return value >= first.end if op == "after" else first.start <= value < last.end
