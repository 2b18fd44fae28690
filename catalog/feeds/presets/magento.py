"""Magento and Adobe Commerce: System → Data Transfer → Export → Products.

A configurable product lists its variants in ``configurable_variations``; the variants are rows of their own, mostly before it. Rows with
a ``store_view_code`` translate an earlier row. Source: Adobe Commerce, “Product data attributes reference”.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from catalog.feeds.presets.base import DERIVED, FeedPreset, Rows, choose_deepest, read_text, strip_html
from catalog.feeds.row_mapping import FeedRow
from catalog.models import Availability

PARENT_TYPES = frozenset({"configurable", "grouped"})
INHERITED = ("categories", "description", "short_description", "base_image")
SKU_PREFIX = "sku="
BRAND_NAMES = ("brand", "manufacturer")
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%y", "%m/%d/%Y")
EARLIEST, LATEST = "1970-01-01", "9999-12-31"


def collect_variants(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the row of the configurable product of each variant, by the variant's SKU."""
    parents: dict[str, dict[str, Any]] = {}
    for row in rows:
        if not row.problem and read_text(row.fields, "product_type") in PARENT_TYPES:
            for variation in read_text(row.fields, "configurable_variations").split("|"):
                if variation.startswith(SKU_PREFIX):
                    parents[variation.removeprefix(SKU_PREFIX).partition(",")[0].strip()] = dict(row.fields)
    return parents


def parse_attributes(text: str) -> dict[str, str]:
    """Return the attributes of ``color=red,fit=slim, long``, whose values may contain commas."""
    attributes: dict[str, str] = {}
    name = ""
    for part in text.split(","):
        code, sign, value = part.partition("=")
        if sign and code.isidentifier():
            name = code
            attributes[name] = value
        elif name:
            attributes[name] += f",{part}"
    return attributes


def complete_products(rows: Rows, parents: Mapping[str, Mapping[str, Any]]) -> Iterator[FeedRow]:
    """Yield the rows that can be bought; variants get what only their configurable product has."""
    for row in rows:
        if row.problem:
            yield row
        elif not read_text(row.fields, "store_view_code") and read_text(row.fields, "product_type") not in PARENT_TYPES:
            parent = parents.get(read_text(row.fields, "sku"), {})
            fields = {
                name: value or (parent.get(name) if name in INHERITED else value) for name, value in row.fields.items()
            }
            yield FeedRow(row.line, {**fields, **derive_fields(fields, parent)})


def derive_fields(fields: Mapping[str, Any], parent: Mapping[str, Any]) -> dict[str, Any]:
    attributes = parse_attributes(read_text(fields, "additional_attributes"))
    paths = [path.partition("/")[2] or path for path in read_text(fields, "categories").split(",") if path.strip()]
    image = read_text(fields, "base_image")
    derived = {
        "parent_id": read_text(parent, "sku"),
        "description": strip_html(read_text(fields, "description") or read_text(fields, "short_description")),
        "category": choose_deepest(paths, "/"),
        "brand": next((attributes[name] for name in BRAND_NAMES if attributes.get(name)), ""),
        # the export has only paths below the shop's media folder, not the folder's URL
        "image_url": image if image.startswith(("http://", "https://")) else "",
        "availability": find_availability(fields),
        "is_active": read_text(fields, "product_online") in ("", "1"),
        "attributes": {name: value for name, value in attributes.items() if name not in BRAND_NAMES},
        "sale_price_effective_date": read_sale_period(fields),
    }
    return {DERIVED + name: value for name, value in derived.items()}


def find_availability(fields: Mapping[str, Any]) -> str:
    if read_text(fields, "is_in_stock") != "0":
        return Availability.IN_STOCK.value
    has_backorders = read_text(fields, "allow_backorders") not in ("", "0")
    return (Availability.BACKORDER if has_backorders else Availability.OUT_OF_STOCK).value


def read_sale_period(fields: Mapping[str, Any]) -> str:
    start = read_day(read_text(fields, "special_price_from_date"))
    end = read_day(read_text(fields, "special_price_to_date"))
    return f"{start or EARLIEST}/{end or LATEST}T23:59:59" if start or end else ""


def read_day(text: str) -> str:
    """Return a date in the export's format as an ISO date; leave any other text unchanged, so that the row check reports it."""
    day = text.split(" ")[0].rstrip(",")
    for pattern in DATE_FORMATS:
        try:
            return f"{datetime.strptime(day, pattern):%Y-%m-%d}"  # noqa: DTZ007 — a day without a time
        except ValueError:
            continue
    return text


MAGENTO = FeedPreset(
    key="magento",
    label="Magento / Adobe Commerce",
    columns={
        "product_id": ("sku",),
        "title": ("name",),
        "description": ("description", "short_description"),
        "category": ("categories",),
        "price": ("price",),
        "sale_price": ("special_price",),
        "cost": ("cost",),
        "availability": ("is_in_stock",),
        "image_url": ("base_image",),
        "is_active": ("product_online",),
    },
    joined_fields=frozenset({"description"}),
    collect=collect_variants,
    complete=complete_products,
    derived_fields={
        "parent_id": _("The configurable product that lists the variant."),
        "brand": _("The brand or manufacturer attribute."),
    },
    read_columns=(
        "store_view_code",
        "product_type",
        "short_description",
        "special_price_from_date",
        "special_price_to_date",
        "additional_attributes",
        "allow_backorders",
        "configurable_variations",
    ),
)
