"""Shopify admin → Products → Export.

The rows of a product have the same ``Handle``. The first one has the columns of the product and its first variant, further rows have
another variant or only another image. Source: help.shopify.com, “Using CSV files to import and export products”.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from catalog.feeds.presets.base import DERIVED, FeedPreset, Rows, read_text, strip_html
from catalog.feeds.row_mapping import FeedRow
from catalog.models import Availability

OPTIONS = (1, 2, 3)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
DEFAULT_VARIANT = "Default Title"
VARIANT_COLUMNS = ("variant_sku", "variant_price", "variant_barcode", "option1_value")


def complete_variants(rows: Rows, context: None) -> Iterator[FeedRow]:
    """Yield one row per variant, with the columns of its product."""
    handle, product = "", dict[str, Any]()
    for row in rows:
        if row.problem:
            yield row
            continue
        if read_text(row.fields, "handle") != handle or read_text(row.fields, "title"):
            handle, product = read_text(row.fields, "handle"), dict(row.fields)
        if any(read_text(row.fields, name) for name in VARIANT_COLUMNS):
            yield FeedRow(row.line, {**fill_gaps(row.fields, product), **derive_fields(row.fields, product)})


def fill_gaps(fields: Mapping[str, Any], product: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a variant's row; columns of the product come from its first row."""
    return {name: product.get(name) if is_product_column(name) else value for name, value in fields.items()}


def is_product_column(name: str) -> bool:
    return not name.startswith(("variant_", "image_", "cost_")) and not name.endswith("_value")


def derive_fields(fields: Mapping[str, Any], product: Mapping[str, Any]) -> dict[str, Any]:
    options = {
        read_text(product, f"option{number}_name"): read_text(fields, f"option{number}_value") for number in OPTIONS
    }
    options = {name: value for name, value in options.items() if value and value != DEFAULT_VARIANT}
    title = " - ".join(filter(None, (read_text(product, "title"), " / ".join(options.values()))))
    sku = read_text(fields, "variant_sku").removeprefix("'")  # an apostrophe marks the cell as text for spreadsheets
    attributes: dict[str, Any] = {name: value for name, value in options.items() if name}
    if read_text(fields, "variant_compare_at_price"):
        attributes["regular_price"] = read_text(fields, "variant_compare_at_price")
    derived = {
        # products without a SKU are identified by their name, as in the export of orders
        "product_id": sku or title,
        "parent_id": read_text(fields, "handle"),
        "sku": sku,
        "title": title,
        "description": strip_html(product.get("body_(html)")),
        "image_url": read_text(fields, "variant_image") or read_text(product, "image_src"),
        "tags": [tag.strip() for tag in read_text(product, "tags").split(",") if tag.strip()],
        "availability": find_availability(fields),
        "is_active": is_published(product),
        "attributes": attributes,
    }
    return {DERIVED + name: value for name, value in derived.items()}


def find_availability(fields: Mapping[str, Any]) -> str:
    """Return whether a variant can be bought; one without inventory tracking always can."""
    stock = read_text(fields, "variant_inventory_qty")
    is_tracked = "variant_inventory_tracker" not in fields or read_text(fields, "variant_inventory_tracker")
    if not stock or not is_tracked or not WHOLE_NUMBER.fullmatch(stock) or int(stock) > 0:
        return Availability.IN_STOCK.value
    is_sold_without_stock = read_text(fields, "variant_inventory_policy").casefold() == "continue"
    return (Availability.BACKORDER if is_sold_without_stock else Availability.OUT_OF_STOCK).value


def is_published(product: Mapping[str, Any]) -> bool:
    return read_text(product, "published").casefold() != "false" and read_text(product, "status").casefold() in (
        "",
        "active",
    )


SHOPIFY = FeedPreset(
    key="shopify",
    label="Shopify",
    columns={
        "parent_id": ("Handle",),
        "sku": ("Variant SKU",),
        "title": ("Title",),
        "description": ("Body (HTML)",),
        "category": ("Product Category", "Type"),
        "brand": ("Vendor",),
        "price": ("Variant Price",),
        "cost": ("Cost per item",),
        "stock": ("Variant Inventory Qty",),
        "image_url": ("Image Src",),
        "tags": ("Tags",),
        "is_active": ("Published",),
    },
    joined_fields=frozenset({"category"}),
    complete=complete_variants,
    derived_fields={
        "product_id": _(
            "Variant SKU, or the title with its options if there is none, as in Shopify's export of orders."
        ),
        "availability": _("From inventory, inventory tracker and inventory policy."),
    },
    identifying_columns=("Handle", "Variant SKU"),
    read_columns=(
        "Handle",
        "Option1 Name",
        "Option1 Value",
        "Option2 Name",
        "Option2 Value",
        "Option3 Name",
        "Option3 Value",
        "Variant Inventory Tracker",
        "Variant Inventory Policy",
        "Variant Compare At Price",
        "Variant Image",
        "Status",
    ),
)
