"""One year of a real shop with invalid rows: all 525,461 lines are counted, and the sums equal those of the file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.db.models import Sum

from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order, OrderLine
from tests.makers import make_source

FILE = Path(__file__).parents[6] / "shared" / "data" / "online_retail" / "year1.parquet"
QUERY = """
    SELECT count(*) FILTER (Price < 0) AS negative_price,
           count(*) FILTER (Price = 0 AND Quantity < 0) AS stock_movement,
           count(*) FILTER (good) AS good,
           count(*) FILTER (good AND "Customer ID" IS NULL) AS guest_lines,
           count(*) FILTER (good AND Quantity < 0) AS return_lines,
           count(*) FILTER (good AND total = 0) AS free_lines,
           count(DISTINCT Invoice) FILTER (good) AS orders,
           count(DISTINCT "Customer ID") FILTER (good) AS customers,
           count(DISTINCT trim(StockCode)) FILTER (good) AS products,
           sum(total) FILTER (good) AS total,
           sum(Quantity) FILTER (good) AS quantity,
           count(DISTINCT Invoice) FILTER (good AND Quantity < 0) AS returns
    FROM (SELECT *, round(CAST(Price AS DECIMAL(14,4)) * Quantity, 2) AS total,
                 Price >= 0 AND NOT (Price = 0 AND Quantity < 0) AS good
          FROM read_parquet(?))
"""


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.skipif(not FILE.exists(), reason="the Online Retail file is missing")
def test_every_line_of_online_retail_is_accounted_for(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR, settings.VAR_DIR = tmp_path / "exports", tmp_path / "var"
    run = import_orders(
        path=FILE,
        source=make_source("online-retail"),
        preset="online-retail",
        currency="GBP",
        started_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
    with duckdb.connect() as connection:
        result = connection.execute(QUERY, [str(FILE)])
        names = [column[0] for column in result.description]
        expected = dict(zip(names, result.fetchone() or (), strict=True))
    assert (run.rows, run.loaded, run.rejected) == (525_461, expected["good"], 525_461 - expected["good"])
    assert run.problems == {"stock_movement": expected["stock_movement"], "negative_price": expected["negative_price"]}
    assert {name: run.counts[name] for name in ("guest_lines", "return_lines", "free_lines")} == {
        name: expected[name] for name in ("guest_lines", "return_lines", "free_lines")
    }
    assert (run.counts["orders_created"], run.counts["customers_created"], run.counts["products_created"]) == (
        expected["orders"],
        expected["customers"],
        expected["products"],
    )
    sums = OrderLine.objects.aggregate(total=Sum("total"), quantity=Sum("quantity"))
    assert (sums["total"], sums["quantity"]) == (expected["total"], expected["quantity"])
    assert Order.objects.aggregate(total=Sum("total"))["total"] == expected["total"]
    assert Order.objects.filter(kind=Order.Kind.RETURN).count() == expected["returns"]
    assert not Order.objects.filter(kind=Order.Kind.RETURN, total__gt=0).exists()
