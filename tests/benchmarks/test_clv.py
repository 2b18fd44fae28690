"""The CLV benchmark: the whole command on a small synthetic shop."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from benchmarks import clv
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.simulation import simulate_orders

START = int(np.datetime64("2020-01-06", "us").astype(np.int64))


@pytest.fixture
def shop(tmp_path: Path) -> pa.Table:
    orders = simulate_orders(
        model=BgNbd(1.0, 30.0, 0.7, 2.0), spend=GammaGamma(p=2.0, q=3.7, gamma=15.0), customers=300, start=START,
        joining_days=100, days=300, seed=1,
    )  # fmt: skip
    return pa.table(
        {
            "who": pa.array([f"c{customer}" for customer in orders.customer.tolist()]),
            "when": pa.array(orders.at, pa.timestamp("us")),
            "pieces": pa.array(np.full(len(orders.at), 2)),
            "price": pa.array(np.round(orders.value / 2, 2)),
        }
    )


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    monkeypatch.setattr(sys, "argv", ["clv", *map(str, arguments)])
    clv.main()
    return json.loads(capsys.readouterr().out)


COLUMNS = ("--customer", "who", "--date", "when", "--value", "pieces*price")


def test_one_line_reports_all_models_and_the_baselines(monkeypatch, capsys, tmp_path, shop):
    pq.write_table(shop, tmp_path / "shop.parquet")
    line = run(monkeypatch, capsys, tmp_path / "shop.parquet", *COLUMNS, "--calibration-end", "2020-07-23")
    assert line["calibration_end"] == "2020-07-23"
    assert line["held_out_days"] == 100
    assert line["customers"] == 300
    assert set(line["models"]) == {"bg_nbd", "mbg_nbd", "pareto_nbd"}
    assert set(line["simple"]) == {"last_period", "mean_rate"}
    best = line["models"][line["best"]]
    for key in ("parameters", "log_likelihood", "mae", "bias", "correlation", "fit_s"):
        assert best[key] == line[key] is not None
    assert best["mae"] < min(simple["mae"] for simple in line["simple"].values())
    assert best["held_out_log_likelihood"] == max(model["held_out_log_likelihood"] for model in line["models"].values())
    assert line["spend"]["parameters"]["q"] > 1
    assert 0.6 < line["spend"]["interval_hit"] <= 1
    assert line["peak_mb"] > 0
    assert line["lifetimes"] is not None or "lifetimes did not run" in line["notes"]


def test_csv_and_parquet_give_the_same_orders(monkeypatch, tmp_path, shop):
    pq.write_table(shop, tmp_path / "shop.parquet")
    pa.csv.write_csv(shop, tmp_path / "shop.csv")
    orders = []
    for name in ("shop.parquet", "shop.csv"):
        monkeypatch.setattr(sys, "argv", ["clv", str(tmp_path / name), *COLUMNS])
        orders.append(clv.read_orders(clv.parse_arguments()))
    for first, second in zip(*orders, strict=True):
        np.testing.assert_array_equal(first, second)
    customer, at, value = orders[0]
    assert (len(np.unique(customer)), len(at)) == (300, len(shop))
    np.testing.assert_allclose(value.sum(), 2 * np.sum(shop["price"].to_numpy()))


def test_a_shop_without_repeat_purchases_reports_why_there_is_no_model(monkeypatch, capsys, tmp_path):
    table = pa.table({"customer_id": [1, 2, 3], "date": [20200101, 20200105, 20200301], "value": [5.0, 6.0, 7.0]})
    pa.csv.write_csv(table, tmp_path / "shop.csv")
    line = run(monkeypatch, capsys, tmp_path / "shop.csv")
    assert line["best"] is None
    assert line["models"] == {}
    assert set(line["reasons"].values()) == {"no_repeats"}


def test_missing_columns_are_named(monkeypatch, capsys, tmp_path, shop):
    pq.write_table(shop, tmp_path / "shop.parquet")
    with pytest.raises(SystemExit, match="has no column customer_id, date, value; it has who, when, pieces, price"):
        run(monkeypatch, capsys, tmp_path / "shop.parquet")
