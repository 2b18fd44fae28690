"""Products as the Agentic Commerce Protocol (ACP) and the Universal Commerce Protocol (UCP) describe them.

ACP: `Product` and `Variant` of spec/2026-04-17/json-schema/schema.feed.json in
github.com/agentic-commerce-protocol/agentic-commerce-protocol, which is also the record of developers.openai.com/commerce/specs/feed.
UCP: source/schemas/shopping/types/product.json and variant.json of the tag v2026-04-08 in github.com/Universal-Commerce-Protocol/ucp.
The variants have most fields in common; prices are in minor units of their currency.
"""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import get_currency_precision

from catalog.models import Availability
from config.shopping_agents.catalog_products import CatalogProduct, CatalogVariant
from customers.feedback.reviews import RatingSummary
from recommendations.serving.expressions.attributes import is_public

STATUSES = {
    Availability.IN_STOCK: "in_stock",
    Availability.OUT_OF_STOCK: "out_of_stock",
    Availability.PREORDER: "preorder",
    Availability.BACKORDER: "backorder",
}
BARCODES = {"gtin": "GTIN", "ean": "EAN", "upc": "UPC", "isbn": "ISBN", "barcode": "GTIN"}
MAX_OPTIONS = 10
MAX_OPTION_LENGTH = 100
MAX_STARS = 5

type Json = dict[str, Any]


def build_acp_product(product: CatalogProduct, *, seller: str) -> Json:
    """Return a line of the product feed."""
    featured = product.featured
    options = list_option_names(product)
    return {
        "id": product.id,
        "title": featured.title,
        **build_description(featured, is_required=False),
        "url": featured.page,
        **build_media(featured),
        "variants": [build_acp_variant(variant, options, seller=seller) for variant in product.variants],
    }


def build_acp_variant(variant: CatalogVariant, options: list[str], *, seller: str) -> Json:
    """Return a variant of the product feed."""
    condition = variant.attributes.get("condition")
    return {
        "id": variant.product_id,
        "title": variant.title,
        **build_description(variant, is_required=False),
        **build_offer(variant),
        **({"condition": [condition]} if isinstance(condition, str) and condition else {}),
        **(
            {"variant_options": [{"name": name, "value": value} for name, value in read_options(variant, options)]}
            if options
            else {}
        ),
        "seller": {"name": seller},
    }


def build_ucp_product(
    product: CatalogProduct, *, seller: str, variants: list[CatalogVariant], rating: RatingSummary | None = None
) -> Json:
    """Return a product of the UCP catalog with some of its variants."""
    featured = product.featured
    options = list_option_names(product)
    prices = [
        price
        for variant in product.variants
        if variant.currency == featured.currency and (price := variant.price) is not None
    ]
    low, high = (format_price(price, featured.currency) for price in (min(prices), max(prices)))
    return {
        "id": product.id,
        "title": featured.title,
        **build_description(featured, is_required=True),
        "url": featured.page,
        **build_categories(featured),
        "price_range": {"min": low, "max": high},
        **build_media(featured),
        **({"options": build_options(product, options)} if options else {}),
        "variants": [build_ucp_variant(variant, options, seller=seller) for variant in variants],
        **(
            {
                "rating": {
                    "value": round(rating.average, 2),
                    "scale_min": 1,
                    "scale_max": MAX_STARS,
                    "count": rating.count,
                }
            }
            if rating is not None and rating.average is not None
            else {}
        ),
        **({"tags": featured.tags} if featured.tags else {}),
    }


def build_ucp_variant(variant: CatalogVariant, options: list[str], *, seller: str) -> Json:
    """Return a variant of the UCP catalog."""
    return {
        "id": variant.product_id,
        **({"sku": variant.sku} if variant.sku else {}),
        "title": variant.title,
        **build_description(variant, is_required=True),
        **build_offer(variant),
        **(
            {"options": [{"name": name, "label": value} for name, value in read_options(variant, options)]}
            if options
            else {}
        ),
        "seller": {"name": seller},
    }


def build_offer(variant: CatalogVariant) -> Json:
    """Return the fields of a variant that are the same in both protocols: page, price, availability, categories, pictures and barcodes."""
    assert variant.price is not None
    barcodes = [
        {"type": kind, "value": str(value)}
        for name, kind in BARCODES.items()
        if isinstance(value := variant.attributes.get(name), str | int) and not isinstance(value, bool) and value
    ]
    return {
        "url": variant.page,
        "price": format_price(variant.price, variant.currency),
        "availability": build_availability(variant),
        **build_categories(variant),
        **build_media(variant),
        **({"barcodes": barcodes} if barcodes else {}),
    }


def build_availability(variant: CatalogVariant) -> Json:
    """Return whether a variant can be bought."""
    if variant.is_sold_out:
        return {"available": False, "status": "out_of_stock"}
    return {"available": True, "status": STATUSES[Availability(variant.availability)]}


def build_description(variant: CatalogVariant, *, is_required: bool) -> Json:
    """Return the description, or if there is none, the title for UCP, which requires one."""
    text = variant.description or (variant.title if is_required else "")
    return {"description": {"plain": text}} if text else {}


def build_categories(variant: CatalogVariant) -> Json:
    return {"categories": [{"value": variant.category, "taxonomy": "merchant"}]} if variant.category else {}


def build_media(variant: CatalogVariant) -> Json:
    """Return the picture of a variant, if its address is absolute."""
    try:
        is_absolute = urlsplit(variant.image_url).scheme in ("http", "https")
    except ValueError:
        is_absolute = False
    if not is_absolute:
        return {}
    return {"media": [{"type": "image", "url": variant.image_url, "alt_text": variant.title}]}


def list_option_names(product: CatalogProduct) -> list[str]:
    """Return the public attributes that tell the variants of a product apart, such as color and size."""
    if len(product.variants) == 1:
        return []
    values: dict[str, set[str]] = {}
    for variant in product.variants:
        for name, value in variant.attributes.items():
            if is_public(name) and name not in BARCODES and (text := format_option(value)):
                values.setdefault(name, set()).add(text)
    return sorted(name for name, texts in values.items() if len(texts) > 1)[:MAX_OPTIONS]


def read_options(variant: CatalogVariant, names: list[str]) -> list[tuple[str, str]]:
    return [(name, text) for name in names if (text := format_option(variant.attributes.get(name)))]


def build_options(product: CatalogProduct, names: list[str]) -> list[Json]:
    """Return the options of a product with all their values."""
    values = {
        name: dict.fromkeys(
            text for variant in product.variants if (text := format_option(variant.attributes.get(name)))
        )
        for name in names
    }
    return [{"name": name, "values": [{"label": text} for text in values[name]]} for name in names]


def format_option(value: Any) -> str:
    """Return a text or number of an attribute as text; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)[:MAX_OPTION_LENGTH]


def format_price(price: Decimal, currency: str) -> Json:
    """Return a price in minor units, such as 1999 for 19.99 EUR."""
    amount = (price * 10 ** get_decimals(currency)).to_integral_value(ROUND_HALF_UP)
    return {"amount": int(amount), "currency": currency}


@lru_cache(maxsize=256)
def get_decimals(currency: str) -> int:
    """Return the decimals of a currency (ISO 4217): 2 for EUR, 0 for JPY."""
    return int(get_currency_precision(currency))
