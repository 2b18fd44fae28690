"""The product data that rules need, as arrays with one row per product.

Serving shares the arrays of its product index; the back office reads them from the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models.fields.json import KeyTransform

from catalog.fingerprint import read_catalog_fingerprint
from catalog.models import Availability, Product
from catalog.sold_out import is_sold_out
from config.foundation.array_types import Rows

type Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RuleProductColumns:
    """Arrays in one order of products.

    visible, in_stock: bool. price: float64, NaN for none. margin: float32, a share of the price, NaN if the cost is
    unknown. stock: float64, NaN without stock tracking. published: float64 seconds since 1970, NaN for never. brand,
    category: int32 codes of ``brands`` and ``categories`` (by path), -1 for none. find_row: the row of a product id, -1
    for none. rows_with_attribute(name, value) and rows_with_tag(tag): int32 rows; without them the database is queried,
    which happens while rules are compiled, never during a request.
    """

    visible: Mask
    in_stock: Mask
    price: npt.NDArray[np.float64]
    margin: npt.NDArray[np.float32]
    stock: npt.NDArray[np.float64]
    published: npt.NDArray[np.float64]
    brand: Rows
    category: Rows
    brands: Mapping[str, int]
    categories: Mapping[str, int]
    find_row: Callable[[str], int]
    rows_with_attribute: Callable[[str, str], Rows] | None = None
    rows_with_tag: Callable[[str], Rows] | None = None

    @property
    def n(self) -> int:
        """Return the number of products."""
        return len(self.visible)

    def find_priced(self) -> Mask:
        """Return the products with a price above 0; all products if no visible one has a price, for shops that send no prices."""
        has_price = self.price > 0
        return has_price if (has_price & self.visible).any() else np.ones(self.n, np.bool_)

    def find_showable(self, *, in_search: bool) -> Mask:
        """Return the products that can be shown: visible, in stock and, except in search, with a price."""
        showable = self.visible & self.in_stock
        return showable if in_search else showable & self.find_priced()

    def find_rows(self, product_ids: Sequence[str]) -> Rows:
        """Return the rows of the known ids, each once, in their order."""
        rows = dict.fromkeys(row for product_id in product_ids if (row := self.find_row(product_id)) >= 0)
        return np.fromiter(rows, np.int32, len(rows))

    def find_rows_with_attribute(self, name: str, value: str) -> Rows:
        if self.rows_with_attribute is not None:
            return self.rows_with_attribute(name, value)
        return self.find_rows(find_products_with_attribute(name, value))

    def find_rows_with_tag(self, tag: str) -> Rows:
        if self.rows_with_tag is not None:
            return self.rows_with_tag(tag)
        return self.find_rows(list(Product.objects.filter(tags__contains=[tag]).values_list("product_id", flat=True)))


def list_attribute_values(value: Any) -> list[str]:
    """Return the texts that an attribute value matches.

    These are the texts of a list's members, else the value as JSON writes it.
    """
    if isinstance(value, list):
        return [text for member in value for text in list_attribute_values(member)]
    if value is None or isinstance(value, dict):
        return []
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def find_products_with_attribute(name: str, value: str) -> list[str]:
    """Return the ids of products whose attribute has the value, or is a list with it."""
    # Compared in Python, so that numbers and list members match by the text that `list_attribute_values` gives them.
    products = Product.objects.filter(attributes__has_key=name).annotate(value=KeyTransform(name, "attributes"))
    return [
        product_id
        for product_id, stored in products.values_list("product_id", "value")
        if value in list_attribute_values(stored)
    ]


# Numbers as floats: loading decimals and times as Python objects takes twice as long as the query.
READ_PRODUCTS = """
    SELECT p.product_id, p.price::float8, p.cost::float8, p.stock::float8, p.brand, COALESCE(c.path, ''),
           p.availability, p.is_active, extract(epoch FROM p.published_at)::float8
    FROM catalog_product p LEFT JOIN catalog_category c ON c.id = p.category_id
    ORDER BY p.id
"""
N_COLUMNS = 9
MAX_KEPT = (
    300_000  # products of a larger catalog are read each time, because they would take much memory in every worker
)


def read_product_columns(*, now: datetime, product_ids: Sequence[str] | None = None) -> RuleProductColumns:
    """Read the columns of the whole catalog, or of these products in their order."""
    if product_ids is None:
        kept = read_kept_columns()
    else:
        record_of_id = {record[0]: record for record in read_records()}
        kept = make_columns(
            [record_of_id.get(product_id) or make_missing_product(product_id) for product_id in product_ids]
        )
    return replace(kept, visible=kept.visible & ~(kept.published > now.timestamp()))


def read_kept_columns() -> RuleProductColumns:
    """Return the columns of the whole catalog; their ``visible`` ignores the products' publication times.

    They are read again only if a product or a category has changed: reading 68,000 products takes a third of a second.
    """
    columns = read_columns_once(read_catalog_fingerprint())
    if columns.n > MAX_KEPT:
        read_columns_once.cache_clear()
    return columns


@lru_cache(maxsize=1)
def read_columns_once(_fingerprint: tuple[str, str | None]) -> RuleProductColumns:
    """Return the columns of the catalog with this fingerprint."""
    return make_columns(read_records())


def read_records() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(READ_PRODUCTS)
        return list(cursor.fetchall())


def make_columns(records: Sequence[tuple[Any, ...]]) -> RuleProductColumns:
    """Return the columns of rows of READ_PRODUCTS; ``visible`` ignores the products' publication times."""
    columns = tuple(zip(*records, strict=True)) or ((),) * N_COLUMNS
    ids, prices, costs, stocks, brand_names, paths, availability, active, published = columns
    price, cost, stock, published_at = (to_floats(values) for values in (prices, costs, stocks, published))
    brand, brands = encode_names(brand_names)
    category, categories = encode_names(paths)
    row_of_id = dict(zip(ids, range(len(ids)), strict=True))
    return RuleProductColumns(
        visible=np.array(active, np.bool_),
        in_stock=~np.array(
            [is_sold_out(availability=own, stock=units) for own, units in zip(availability, stocks, strict=True)],
            np.bool_,
        ),
        price=price,
        margin=compute_margin(price=price, cost=cost),
        stock=stock,
        published=published_at,
        brand=brand,
        category=category,
        brands=brands,
        categories=categories,
        find_row=lambda product_id: row_of_id.get(product_id, -1),
    )


def make_missing_product(product_id: str) -> tuple[Any, ...]:
    """Return the row of a deleted product, which is never shown."""
    return (product_id, None, None, None, "", "", Availability.OUT_OF_STOCK, False, None)


def compute_margin(*, price: npt.NDArray[np.float64], cost: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return the margin (price - cost) / price; NaN without a cost or with a price of 0."""
    positive_price = np.where(price > 0, price, np.nan)
    return ((positive_price - cost) / positive_price).astype(np.float32)


def to_floats(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    return np.array(values, np.float64)  # None becomes NaN


def encode_names(names: Sequence[str | None]) -> tuple[Rows, dict[str, int]]:
    """Return the code of each name, -1 for none, and the codes by name."""
    codes: dict[str, int] = {}
    rows = np.fromiter((codes.setdefault(name, len(codes)) if name else -1 for name in names), np.int32, len(names))
    return rows, codes
