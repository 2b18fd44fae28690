"""Purchase histories and RFM values of an engine are those of the refresh, also where the files are older than the database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from customers.lifecycle.facts.engine_figures import EngineFigures, read_engine_figures
from customers.lifecycle.facts.histories import summarize_histories, to_microseconds
from customers.lifecycle.facts.order_facts import read_order_facts
from customers.lifecycle.scoring.rfm.rfm_scores import measure_rfm
from customers.lifecycle.scoring.stages.derivation import OrderHistories
from customers.orders.models import Order
from customers.warehouse.engines.duckdb import DuckDBEngine
from customers.warehouse.export import export_warehouse
from tests.makers import make_customer, make_order, make_product

START = datetime(2025, 1, 1, 12, tzinfo=UTC)
AS_OF = START + timedelta(days=100)


@pytest.fixture
def shop(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """Write orders, returns, refunds, foreign currencies, several orders of a day and one after the end to the files."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    rng, tea = np.random.default_rng(4), make_product("tea", price=Decimal("3.33"))
    for number in range(9):
        customer = make_customer(f"customer-{number}")
        for place in rng.integers(0, 9, rng.integers(1, 5)).tolist():
            make_order(
                customer, placed_at=START + timedelta(hours=12 * place), products=[tea] * int(rng.integers(1, 3))
            )
        if number % 3 == 0:
            back = START + timedelta(days=20)
            make_order(customer, placed_at=back, products=[tea], quantity=-1, kind="return")
    orders = list(Order.objects.filter(kind="sale").order_by("id").values_list("id", flat=True))
    Order.objects.filter(pk=orders[1]).update(currency="USD")  # the first order decides the currency of amounts
    Order.objects.filter(pk=orders[3]).update(status="refunded")
    Order.objects.filter(pk=orders[5]).update(status="cancelled")
    Order.objects.filter(pk=orders[7]).update(placed_at=AS_OF)
    export_warehouse(started_at=datetime.now(UTC))
    monkeypatch.setattr(DuckDBEngine, "runs_jobs", True)


def read_both() -> tuple[OrderHistories, EngineFigures]:
    histories = read_order_facts(as_of=AS_OF).histories
    figures = read_engine_figures(histories=histories, as_of=AS_OF, currency="EUR")
    assert figures is not None
    return histories, figures


def compare(histories: OrderHistories, figures: EngineFigures) -> None:
    purchases = summarize_histories(histories, as_of=AS_OF)
    (rfm,) = measure_rfm(
        start=histories.start,
        at=histories.at,
        amount=histories.amount,
        is_order=histories.is_order,
        moments=[to_microseconds(AS_OF)],
    )
    for ours, theirs in ((purchases, figures.purchases), (rfm, figures.rfm)):
        for name, values in vars(ours).items():
            np.testing.assert_array_equal(getattr(theirs, name), values, err_msg=name)
            assert getattr(theirs, name).dtype == values.dtype


@pytest.mark.usefixtures("shop")
def test_figures_are_those_of_the_refresh() -> None:
    histories, figures = read_both()
    assert (figures.engine, figures.differing) == ("duckdb", 0)
    assert len(figures.purchases) > 5
    compare(histories, figures)
    # after the export, an old order is canceled, and a customer is erased: the files have their old state
    changed, erased = (
        Order.objects.filter(kind="sale").exclude(status__in=("cancelled", "refunded")).order_by("-id")[:2]
    )
    Order.objects.filter(pk=changed.pk).update(status="cancelled")
    Order.objects.filter(customer=erased.customer).update(customer=None)
    histories, figures = read_both()
    assert figures.differing == 1  # who has no orders left is not known before the end
    compare(histories, figures)


@pytest.mark.usefixtures("shop")
def test_days_are_those_of_the_shop_on_the_engine_too(settings: Any) -> None:
    """Orders at noon and midnight of UTC are at four in the morning and in the afternoon of one day in California."""
    in_utc = read_both()[1].purchases
    settings.TIME_ZONE = "America/Los_Angeles"
    histories, figures = read_both()
    compare(histories, figures)
    assert figures.purchases.last_days.tolist() != in_utc.last_days.tolist()
