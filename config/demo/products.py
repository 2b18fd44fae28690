"""Loads the products of the Complete Journey with readable titles and categories. The names of manufacturers are invented."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import connection, transaction

from catalog.categories import ensure_categories
from catalog.models import Product
from config.demo.customers import read_names
from config.demo.editions import CHINESE, EDITIONS, ENGLISH, DemoEdition

# Departments without products that an online shop could ship: coupons, supplies, donations, fuel.
EXCLUDED_DEPARTMENTS = frozenset(
    {"COUPON", "CNTRL/STORE SUP", "CHARITABLE CONT", "FUEL", "GM MERCH EXP", "PROD-WHS SALES"}
)
SPREAD = 4001  # prime: manufacturers with neighboring numbers get unrelated names

type ProductRow = Mapping[str, Any]
# Enough for 5 to 124 days at the speed of the last four weeks, by a hash of the product ID; never 0, which would hide the product.
SET_STOCK = """
    WITH sold AS (
        SELECT l.product_id, sum(l.quantity) / 28 AS per_day
        FROM orders_orderline l
        JOIN orders_order o ON o.id = l.order_id
        WHERE o.placed_at >= %(at)s - interval '28 days' AND o.placed_at < %(at)s AND o.kind = 'sale' AND l.quantity > 0
        GROUP BY l.product_id
    )
    UPDATE catalog_product p
    SET stock = greatest(1, least(100000, ceil(s.per_day * (5 + abs(hashtext(p.product_id)) %% 120)))), updated_at = %(at)s
    FROM sold s
    WHERE s.product_id = p.id AND p.stock IS NULL AND s.per_day >= 0.25
"""


def load_products(folder: Path, *, prices: Mapping[int, float], at: datetime, language: str = ENGLISH) -> int:
    """Load all products of the package, and as inactive the few that were sold but are not listed.

    Args:
        prices: product ID → price in dollars.
    """
    edition = EDITIONS[language]
    rows = pq.read_table(folder / "products.parquet").to_pylist()
    prices = {product_id: round(price * edition.price_factor, 2) for product_id, price in prices.items()}
    paths = [edition.build_path(row["department"], row["product_category"], row["product_type"]) for row in rows]
    categories = ensure_categories(set(paths))
    records: list[tuple[object, ...]] = [
        (
            str(row["product_id"]),
            title,
            categories[path],
            edition.brands[row["brand"]],
            prices.get(row["product_id"]),
            build_brand_name(row["manufacturer_id"], language),
            edition.format_size(row["package_size"] or "", row["product_category"]) or None,
            row["department"] not in EXCLUDED_DEPARTMENTS and not (row["product_type"] or "").startswith("GASOLINE"),
        )
        for row, path, title in zip(rows, paths, build_titles(rows, edition), strict=True)
    ]
    listed_ids = {row["product_id"] for row in rows}
    sold_ids = pc.unique(
        pq.read_table(folder / "transactions.parquet", columns=["product_id"])["product_id"]
    ).to_pylist()
    records += [
        (str(number), edition.unlisted.format(id=number), None, "", prices.get(number), None, None, False)
        for number in sold_ids
        if number not in listed_ids
    ]
    return write_products(records, at=at, edition=edition)


def build_titles(rows: Sequence[ProductRow], edition: DemoEdition) -> list[str]:
    """Return the titles of products; a title that products of several manufacturers would share ends with the manufacturer's name."""
    titles = [
        edition.build_title(row["product_type"], row["product_category"], row["department"], row["package_size"])
        for row in rows
    ]
    manufacturers: dict[str, set[int]] = {}
    for row, title in zip(rows, titles, strict=True):
        manufacturers.setdefault(title, set()).add(row["manufacturer_id"])
    return [
        f"{title}{edition.separator}{build_brand_name(row['manufacturer_id'], edition.language)}"
        if len(manufacturers[title]) > 1
        else title
        for row, title in zip(rows, titles, strict=True)
    ]


@cache
def build_brand_name(manufacturer: int, language: str) -> str:
    """Return the invented name of a manufacturer; it is unique."""
    names = read_names(language)
    first, second, endings = names["brand_first"], names["brand_second"], names.get("brand_ending", [""])
    number = manufacturer * SPREAD % (len(first) * len(second) * len(endings))
    number, ending = divmod(number, len(endings))
    joint = " & " if language != CHINESE else ""
    return f"{first[number // len(second)]}{joint}{second[number % len(second)]}{endings[ending]}"


def write_products(records: Sequence[tuple[object, ...]], *, at: datetime, edition: DemoEdition) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TEMPORARY TABLE demo_product (product_id text, title text, category_id bigint, brand text, price numeric(14,2),
                                                 manufacturer text, package_size text, is_active boolean) ON COMMIT DROP
            """
        )
        with cursor.copy("COPY demo_product FROM STDIN") as copy:
            for record in records:
                copy.write_row(record)
        cursor.execute(
            """
            INSERT INTO catalog_product (product_id, sku, title, description, category_id, brand, price, currency, availability,
                                         image_url, url, attributes, tags, is_active, created_at, updated_at)
            SELECT product_id, '', title, '', category_id, brand, price, CASE WHEN price IS NULL THEN '' ELSE %(currency)s END,
                   'in_stock', '', '',
                   jsonb_strip_nulls(jsonb_build_object(%(manufacturer)s::text, manufacturer, %(package_size)s::text, package_size)),
                   '{}', is_active, %(at)s, %(at)s
            FROM demo_product
            ON CONFLICT (product_id) DO NOTHING
            """,
            {
                "at": at,
                "currency": edition.currency,
                "manufacturer": edition.manufacturer,
                "package_size": edition.package_size,
            },
        )
        return cursor.rowcount


def read_language() -> str | None:
    """Return the language of the loaded products, or None if there are none."""
    languages = {brand: edition.language for edition in EDITIONS.values() for brand in edition.brands.values()}
    brand = Product.objects.filter(brand__in=languages).values_list("brand", flat=True).first()
    return languages[brand] if brand is not None else None


def load_stock(*, loaded_at: datetime) -> int:
    """Set a stock for products that sell at least every four days and have none; return their number."""
    with connection.cursor() as cursor:
        cursor.execute(SET_STOCK, {"at": loaded_at})
        return cursor.rowcount
