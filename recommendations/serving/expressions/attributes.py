"""The attributes that expressions can use, with their operators; a new attribute is added here and in `product_masks`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from customers.segments.conditions.fields import IS_SET_OPERATORS, NUMBER_OPERATORS, OPERATORS_OF_TYPE, FieldType

CATALOG_PREFIX = "attributes."
MAX_CATALOG_NAME = 100
ALL_ATTRIBUTES = "*"  # in the setting PUBLIC_ATTRIBUTES
PART_OPERATORS = ("starts_with", "contains")
READ_ATTRIBUTES = frozenset({"product_id", "sku", "title"})  # attributes with a different text for each product


class AttributeKind(StrEnum):
    """The type of an attribute's values."""

    TEXT = "text"
    CATEGORY = "category"
    NUMBER = "number"
    FLAG = "flag"
    TAGS = "tags"
    MOMENT = "moment"
    CATALOG = "catalog"  # an entry of the attributes of the catalog: texts, numbers, flags or lists of them


TEXT_OPERATORS = OPERATORS_OF_TYPE[FieldType.TEXT]
OPERATORS_OF_KIND: Mapping[AttributeKind, tuple[str, ...]] = {
    AttributeKind.TEXT: TEXT_OPERATORS,
    AttributeKind.CATEGORY: ("eq", "ne", "in", "not_in", "contains", *IS_SET_OPERATORS),
    AttributeKind.NUMBER: NUMBER_OPERATORS,
    AttributeKind.FLAG: ("eq",),
    AttributeKind.TAGS: TEXT_OPERATORS,
    AttributeKind.MOMENT: OPERATORS_OF_TYPE[FieldType.MOMENT],
    AttributeKind.CATALOG: (
        "eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "between", "starts_with", "contains", *IS_SET_OPERATORS,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ProductAttribute:
    """An attribute of products. is_internal: a browser must not learn it, not even by filtering."""

    name: str
    kind: AttributeKind
    is_internal: bool = False

    @property
    def operators(self) -> tuple[str, ...]:
        return OPERATORS_OF_KIND[self.kind]


PRODUCT_ATTRIBUTES: Mapping[str, ProductAttribute] = {
    attribute.name: attribute
    for attribute in (
        ProductAttribute("product_id", AttributeKind.TEXT),
        ProductAttribute("sku", AttributeKind.TEXT),
        ProductAttribute("title", AttributeKind.TEXT),
        ProductAttribute("brand", AttributeKind.TEXT),
        ProductAttribute("category", AttributeKind.CATEGORY),
        ProductAttribute("price", AttributeKind.NUMBER),
        ProductAttribute("currency", AttributeKind.TEXT),
        ProductAttribute("in_stock", AttributeKind.FLAG),
        ProductAttribute("stock", AttributeKind.NUMBER, is_internal=True),
        ProductAttribute("margin", AttributeKind.NUMBER, is_internal=True),
        ProductAttribute("tag", AttributeKind.TAGS),
        ProductAttribute("published", AttributeKind.MOMENT),
        ProductAttribute("created", AttributeKind.MOMENT),
    )
}


def is_public(name: str) -> bool:
    """Return whether browsers may learn an attribute of the catalog; feeds may fill such attributes with any of their columns."""
    return name in settings.PUBLIC_ATTRIBUTES or ALL_ATTRIBUTES in settings.PUBLIC_ATTRIBUTES


def is_internal(name: str) -> bool:
    """Return whether a browser must not learn the attribute of this name."""
    if name.startswith(CATALOG_PREFIX):
        return not is_public(name.removeprefix(CATALOG_PREFIX))
    return PRODUCT_ATTRIBUTES[name].is_internal


def find_attribute(name: str) -> ProductAttribute | None:
    """Return the attribute of this name; any name after ``attributes.`` is valid."""
    if name.startswith(CATALOG_PREFIX) and 0 < len(name) - len(CATALOG_PREFIX) <= MAX_CATALOG_NAME:
        return ProductAttribute(name, AttributeKind.CATALOG)
    return PRODUCT_ATTRIBUTES.get(name)
