"""The files of the propensity benchmark, and the whole command on a small shop."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from benchmarks import propensity
from benchmarks.order_files import read_orders
from customers.lifecycle.scoring.propensity.features.event_facts import DAY

COLUMNS = {"customer": "customer_id", "date": "date", "value": "value", "customers": 10, "seed": 1}


def test_orders_are_read_from_csv_and_parquet(tmp_path):
    (tmp_path / "orders.csv").write_text(
        "who,date,value\nb,2020-01-02,3.5\na,2020-01-01 12:00:00,2\nb,2020-01-01,-1\n,2020-01-01,4\n", encoding="utf-8"
    )
    orders = read_orders(str(tmp_path / "orders.csv"), **COLUMNS | {"customer": "who"})
    assert orders.start.tolist() == [0, 1, 3]
    assert orders.value.tolist() == [2, 1, 3.5]
    assert orders.is_return.tolist() == [False, True, False]
    assert (orders.at - orders.at[1]).tolist() == [DAY // 2, 0, DAY]
    table = pa.table({"customer_id": [7, 8, 7], "date": ["2020-01-02", "2020-01-01", "2020-01-03"], "value": [1, 2, 3]})
    pq.write_table(table, tmp_path / "orders.parquet")
    orders = read_orders(str(tmp_path / "orders.parquet"), **COLUMNS)
    assert orders.start.tolist() == [0, 2, 3]
    assert orders.value.tolist() == [1, 3, 2]
    assert np.diff(orders.at[:2]).tolist() == [DAY]


def test_cancelled_invoices_are_returns(tmp_path):
    lines = pa.table(
        {
            "Invoice": ["1", "C2", "3", "4"],
            "StockCode": ["a", "a", "b", "b"],
            "Quantity": [2, -1, 3, 1],
            "InvoiceDate": ["2010-01-01 10:00:00", "2010-01-02 10:00:00", "2010-01-01 10:00:00", "2010-01-01 10:00:00"],
            "Price": [5.0, 5.0, 2.0, 0.0],
            "Customer ID": [7.0, 7.0, 8.0, 8.0],
        }
    )
    pq.write_table(lines, tmp_path / "lines.parquet")
    orders = read_orders(str(tmp_path / "lines.parquet"), **COLUMNS)
    assert orders.value.tolist() == [10, 5, 6]
    assert orders.is_return.tolist() == [False, True, False]
    assert orders.category.tolist() == [0, 0, 1]


def test_a_file_without_orders_is_rejected(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="customer_id"):
        read_orders(str(tmp_path / "other.csv"), **COLUMNS)
    with pytest.raises(SystemExit, match="nowhere"):
        read_orders(str(tmp_path / "nowhere.csv"), **COLUMNS)


def test_the_model_beats_recency_when_purchase_intervals_differ(monkeypatch, capsys):
    arguments = ["made", "--customers", "600", "--cuts", "1", "--targets", "purchase_30"]
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with threadpool_limits(
        1, user_api="openmp"
    ):  # on so few rows the threads of boosting wait longer than they compute
        propensity.main()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["purchase_30_1_selected_auc"] > line["purchase_30_1_recency_auc"]
    assert line["purchase_30_selected_brier"] == pytest.approx(line["purchase_30_1_selected_brier"])
    assert line["next_category_history_hit@1"] > line["next_category_popularity_hit@1"]
    assert {"features_s", "peak_mb", "notes", "purchase_30_1_selected_gap_outside"} <= set(line)
