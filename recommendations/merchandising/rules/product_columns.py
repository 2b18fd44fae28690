"""What rules ask of products, as arrays: one row a product. Serving has its own in memory; the back office reads them when asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models.fields.json import KeyTransform

from catalog.models import Availability, Product
from config.foundation.array_types import Rows

type Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ProductColumns:
    """Arrays in one order of products.

    shown, in_stock: bool. price: float64, NaN for none. margin: float32, a share of the price, NaN when the cost is unknown. stock: float64,
    NaN when it is not counted. published: float64 seconds since 1970, NaN for never. brand, category: int32 codes of ``brands`` and
    ``categories`` (by path), -1 for none. row_of: the row of a product id, -1 for none. rows_with_attribute(name, value) and
    rows_with_tag(tag): int32 rows; without them the database is asked, which is for compiling and never for a request.
    """

    shown: Mask
    in_stock: Mask
    price: npt.NDArray[np.float64]
    margin: npt.NDArray[np.float32]
    stock: npt.NDArray[np.float64]
    published: npt.NDArray[np.float64]
    brand: Rows
    category: Rows
    brands: Mapping[str, int]
    categories: Mapping[str, int]
    row_of: Callable[[str], int]
    rows_with_attribute: Callable[[str, str], Rows] | None = None
    rows_with_tag: Callable[[str], Rows] | None = None

    @property
    def n(self) -> int:
        return len(self.shown)

    def rows_of(self, product_ids: Sequence[str]) -> Rows:
        """The rows of the ids that are known, each once, in their order."""
        found = dict.fromkeys(row for product_id in product_ids if (row := self.row_of(product_id)) >= 0)
        return np.fromiter(found, np.int32, len(found))

    def attribute_rows(self, name: str, value: str) -> Rows:
        if self.rows_with_attribute is not None:
            return self.rows_with_attribute(name, value)
        return self.rows_of(ids_with_attribute(name, value))

    def tag_rows(self, tag: str) -> Rows:
        if self.rows_with_tag is not None:
            return self.rows_with_tag(tag)
        return self.rows_of(list(Product.objects.filter(tags__contains=[tag]).values_list("product_id", flat=True)))


def attribute_texts(value: Any) -> list[str]:
    """The texts that an attribute's value is compared by: of a list those of its members, else the one as JSON writes it."""
    if isinstance(value, list):
        return [text for member in value for text in attribute_texts(member)]
    if value is None or isinstance(value, dict):
        return []
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def ids_with_attribute(name: str, value: str) -> list[str]:
    """Products with an attribute of that value, or of a list that holds it."""
    having = Product.objects.filter(attributes__has_key=name).annotate(told=KeyTransform(name, "attributes"))
    return [
        product_id for product_id, told in having.values_list("product_id", "told") if value in attribute_texts(told)
    ]


FIELDS = (
    "product_id",
    "price",
    "cost",
    "stock",
    "brand",
    "category__path",
    "availability",
    "is_active",
    "published_at",
)


def read_columns(*, now: datetime, product_ids: Sequence[str] | None = None) -> ProductColumns:
    """The columns of the whole catalogue from the database, or of these products in their order."""
    found = list(Product.objects.order_by("id").values_list(*FIELDS))
    if product_ids is not None:
        known = {record[0]: record for record in found}
        found = [known.get(product_id) or absent(product_id) for product_id in product_ids]
    columns = tuple(zip(*found, strict=True)) or ((),) * len(FIELDS)
    ids, prices, costs, stocks, brand_names, paths, availabilities, active, published = columns
    price, cost, stock = numbers(prices), numbers(costs), numbers(stocks)
    moments = numbers([None if moment is None else moment.timestamp() for moment in published])
    brand, brands = coded(brand_names)
    category, categories = coded(paths)
    sold_out = np.fromiter((value == Availability.OUT_OF_STOCK for value in availabilities), np.bool_, len(ids))
    places = {product_id: row for row, product_id in enumerate(ids)}
    return ProductColumns(
        shown=np.fromiter(active, np.bool_, len(ids)) & ~(moments > now.timestamp()),
        in_stock=~sold_out & ~(stock <= 0),
        price=price,
        margin=margin_share(price=price, cost=cost),
        stock=stock,
        published=moments,
        brand=brand,
        category=category,
        brands=brands,
        categories=categories,
        row_of=lambda product_id: places.get(product_id, -1),
    )


def absent(product_id: str) -> tuple[Any, ...]:
    """A product that is not in the database any more: never shown."""
    return (product_id, None, None, None, "", None, Availability.OUT_OF_STOCK, False, None)


def margin_share(*, price: npt.NDArray[np.float64], cost: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """(price - cost) / price: what the shop keeps of the price. NaN without a cost, or with a price of nothing."""
    asked = np.where(price > 0, price, np.nan)
    return ((asked - cost) / asked).astype(np.float32)


def numbers(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    return np.fromiter((np.nan if value is None else float(value) for value in values), np.float64, len(values))


def coded(names: Sequence[str | None]) -> tuple[Rows, dict[str, int]]:
    """A code for each name, -1 for none."""
    codes: dict[str, int] = {}
    rows = np.fromiter((codes.setdefault(name, len(codes)) if name else -1 for name in names), np.int32, len(names))
    return rows, codes
