"""WooCommerce → Products → Export. Column names are in the shop's language; here, the rows have English names.

A product with variations has a row of the type ``variable``, and one row of the type ``variation`` for each; ``Parent`` has the SKU of
the product, or ``id:`` and its ID. Source: woocommerce.com, “Product CSV Importer and Exporter”, and its CSV import schema.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from catalog.feeds.column_translations import load_translations
from catalog.feeds.presets.base import DERIVED, FeedPreset, Rows, choose_deepest, read_text, strip_html
from catalog.feeds.row_mapping import FeedRow
from catalog.models import Availability

LIST_SEPARATOR = re.compile(r"(?<!\\),")  # commas inside a value are written \,
INHERITED = ("categories", "tags", "images", "description", "short_description", "brands")
PARENT_TYPES = frozenset({"variable", "grouped"})
STOCK_WORDS = {"1": Availability.IN_STOCK, "0": Availability.OUT_OF_STOCK, "backorder": Availability.BACKORDER}
ATTRIBUTE = re.compile(r"attribute_(\d+)_name")
EARLIEST, LATEST = "1970-01-01", "9999-12-31"


def collect_parents(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the rows of products with variations, by SKU and by ID."""
    parents: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.problem or not read_types(row.fields) & PARENT_TYPES:
            continue
        parents[f"id:{read_text(row.fields, 'id')}"] = dict(row.fields)
        if sku := read_text(row.fields, "sku"):
            parents[sku] = dict(row.fields)
    return parents


def complete_variations(rows: Rows, parents: Mapping[str, Mapping[str, Any]]) -> Iterator[FeedRow]:
    """Yield the rows that can be bought; variations get what only their product has."""
    for row in rows:
        if row.problem:
            yield row
        elif not read_types(row.fields) & PARENT_TYPES:
            parent = parents.get(read_text(row.fields, "parent"), {})
            fields = {
                name: value or (parent.get(name) if name in INHERITED else value) for name, value in row.fields.items()
            }
            yield FeedRow(row.line, {**fields, **derive_fields(fields, parent)})


def read_types(fields: Mapping[str, Any]) -> set[str]:
    """Return the types of a row: ``simple, virtual`` means two types."""
    return {word.strip().casefold() for word in read_text(fields, "type").split(",")}


def derive_fields(fields: Mapping[str, Any], parent: Mapping[str, Any]) -> dict[str, Any]:
    derived = {
        "product_id": get_key(fields),
        "parent_id": get_key(parent),
        "description": strip_html(read_text(fields, "description") or read_text(fields, "short_description")),
        "category": choose_deepest(split_list(fields, "categories"), ">"),
        "image_url": next(iter(split_list(fields, "images")), ""),
        "tags": split_list(fields, "tags"),
        "availability": STOCK_WORDS.get(read_text(fields, "in_stock?").casefold(), Availability.IN_STOCK).value,
        "is_active": read_text(fields, "published") in ("", "1"),
        "attributes": read_attributes(fields),
        "sale_price_effective_date": read_sale_period(fields),
    }
    return {DERIVED + name: value for name, value in derived.items()}


def get_key(fields: Mapping[str, Any]) -> str:
    return read_text(fields, "sku") or read_text(fields, "id")


def split_list(fields: Mapping[str, Any], name: str) -> list[str]:
    parts = [part.replace("\\,", ",").strip() for part in LIST_SEPARATOR.split(read_text(fields, name))]
    return [part for part in parts if part]


def read_attributes(fields: Mapping[str, Any]) -> dict[str, str]:
    numbers = [match[1] for name in fields if (match := ATTRIBUTE.fullmatch(name))]
    pairs = [
        (read_text(fields, f"attribute_{number}_name"), read_text(fields, f"attribute_{number}_value(s)"))
        for number in numbers
    ]
    return {name: value for name, value in pairs if name and value}


def read_sale_period(fields: Mapping[str, Any]) -> str:
    start, end = read_text(fields, "date_sale_price_starts"), read_text(fields, "date_sale_price_ends")
    if not start and not end:
        return ""
    return f"{(start or EARLIEST)[:10]}/{(end or LATEST)[:10]}T23:59:59"


WOOCOMMERCE = FeedPreset(
    key="woocommerce",
    label="WooCommerce",
    columns={
        "sku": ("SKU",),
        "parent_id": ("Parent",),
        "title": ("Name",),
        "description": ("Description", "Short description"),
        "category": ("Categories",),
        "brand": ("Brands",),
        "price": ("Regular price",),
        "sale_price": ("Sale price",),
        "availability": ("In stock?",),
        "stock": ("Stock",),
        "image_url": ("Images",),
        "url": ("External URL",),
        "tags": ("Tags",),
        "is_active": ("Published",),
    },
    joined_fields=frozenset({"description"}),
    collect=collect_parents,
    complete=complete_variations,
    derived_fields={"product_id": _("SKU, or the ID if there is none, as in WooCommerce's export of orders.")},
    identifying_columns=("ID", "SKU"),
    read_columns=(
        "ID",
        "Type",
        "Short description",
        "Date sale price starts",
        "Date sale price ends",
        *(f"Attribute {number} {part}" for number in range(1, 10) for part in ("name", "value(s)")),
    ),
    translations=load_translations(__package__, "woocommerce_columns"),
)
