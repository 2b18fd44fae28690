"""The products that the picker shows: search results, and the products of given IDs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog.models import Product
from catalog.placeholder_images.drawing import build_placeholder_url, choose_image_url
from catalog.sold_out import is_sold_out
from config.foundation.number_formats import format_money

MAX_OPTIONS = 12
MAX_ROWS = 200  # of chosen products that are shown with image and title
MAX_ID_LENGTH = 200
SEPARATORS = re.compile(r"[,;\t，；、]")


@dataclass(frozen=True)
class PickerProduct:
    """A product as the picker shows it. detail: brand, price and ID. warning: why it is not shown in the shop, or that it is unknown."""

    product_id: str
    title: str
    detail: str
    image: str
    warning: str = ""


def find_picker_products(text: str) -> list[PickerProduct]:
    """Return the products that match a search text, best matches first."""
    text = " ".join(text.replace("\0", "").split())[:MAX_ID_LENGTH]
    if not text:
        return []
    products = Product.objects.filter(is_draft=False).search(text).select_related("category")
    return [describe_product(product) for product in products[:MAX_OPTIONS]]


def describe_products(product_ids: Sequence[str]) -> list[PickerProduct]:
    """Return the products of the IDs in the same order, in one query; for an unknown ID, a product with a warning."""
    known = {
        product.product_id: product
        for product in Product.objects.filter(product_id__in=product_ids).select_related("category")
    }
    return [
        describe_product(known[product_id]) if product_id in known else describe_unknown(product_id)
        for product_id in product_ids
    ]


def describe_product(product: Product) -> PickerProduct:
    price = format_money(product.price, product.currency) if product.price is not None else ""
    return PickerProduct(
        product.product_id,
        product.title or product.product_id,
        " · ".join(part for part in (product.brand, price, product.product_id) if part),
        choose_image_url(
            image_url=product.image_url,
            category=product.category.path if product.category else "",
            title=product.title,
        ),
        describe_availability(product),
    )


def describe_availability(product: Product) -> str:
    if not product.is_active:
        return _("Inactive, so it is not shown")
    if is_sold_out(availability=product.availability, stock=product.stock):
        return _("Out of stock")
    return "" if product.price else _("Without a price, so it is not recommended")


def describe_unknown(product_id: str) -> PickerProduct:
    image = build_placeholder_url(category="", title=product_id)
    return PickerProduct(product_id, product_id, "", image, _("Not in the catalog"))


def parse_product_ids(text: str, *, divides_unknown: bool = False) -> list[str]:
    """Return the IDs of typed text without repetitions, one per line.

    A line with commas, semicolons or tabs that is not itself an ID is split if one of its parts is an ID; with divides_unknown, it is always
    split. Only lines with a separator need a query.
    """
    lines = split_lines(text)
    parts = {line: split_parts(line) for line in lines if SEPARATORS.search(line)}
    known = find_known_ids([*parts, *(part for each in parts.values() for part in each)]) if parts else set()

    def divide(line: str) -> list[str]:
        is_list = line in parts and line not in known
        return parts[line] if is_list and (divides_unknown or not known.isdisjoint(parts[line])) else [line]

    return list(dict.fromkeys(part for line in lines for part in divide(line)))


def split_lines(text: str) -> list[str]:
    return [line for line in (line.strip() for line in text.replace("\0", "").splitlines()) if line]


def split_parts(line: str) -> list[str]:
    return [part for part in (part.strip() for part in SEPARATORS.split(line)) if part]


def find_known_ids(product_ids: Iterable[str]) -> set[str]:
    return set(Product.objects.filter(product_id__in=list(product_ids)).values_list("product_id", flat=True))
