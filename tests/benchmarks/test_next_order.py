"""The benchmark of next orders: its files, and the whole command on a small shop."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import next_order

BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - the file's times have no zone either


def write_shop(path: Path) -> None:
    """Write orders of 300 customers about every 14 days, with two products each, a return and a guest order."""
    draws = np.random.default_rng(4)
    rows: list[tuple[float | None, str, datetime, int]] = []
    for customer in range(300):
        day = float(draws.uniform(0, 14))
        while day < 200:
            invoice = f"{customer}-{day:.4f}"
            rows += [(float(customer), invoice, BEGIN + timedelta(days=day), 1)] * 2
            day += 14.0 * float(draws.lognormal(0.0, 0.3))
    rows += [(None, "guest", BEGIN, 1), (0.0, "return", BEGIN + timedelta(days=1), -1)]
    names = ("Customer ID", "Invoice", "InvoiceDate", "Quantity")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), path)


def test_half_of_a_regular_shop_s_orders_fall_into_the_predicted_window(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.parquet"
    write_shop(path)
    monkeypatch.setattr(sys, "argv", ["benchmark", "--online-retail", str(path)])
    next_order.main()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["online_retail_customers"] == 300
    assert line["online_retail_coverage50"] == pytest.approx(0.5, abs=0.1)
    assert (
        line["online_retail_coverage50_low"]
        <= line["online_retail_coverage50"]
        <= line["online_retail_coverage50_high"]
    )
    assert line["online_retail_width_days"] < 14
    assert line["online_retail_window_returned"] > 0.95
    assert {"online_retail_validation_coverage50", "online_retail_shop_coverage50", "peak_mb"} <= set(line)


def test_a_customer_s_main_category_is_that_of_most_orders_before_the_cutoff() -> None:
    orders = next_order.Orders(
        customer=np.array([0, 0, 0, 1, 1, 2, 2]), at=np.arange(7.0), category=np.array([2, 1, 1, 2, 0, -1, 1]),
        n_customers=4, n_categories=3,
    )  # fmt: skip
    assert next_order.find_known_main_categories(orders, orders.at < 6).tolist() == [1, 0, -1, -1]


def test_data_must_be_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    with pytest.raises(SystemExit):
        next_order.main()
    assert "--complete-journey" in capsys.readouterr().err
