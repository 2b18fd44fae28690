"""Figures of customers from the warehouse are those of the refresh."""

from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pyarrow as pa
import pytest

from config.foundation.calendars.local_clock import build_clock, get_local_clock
from customers.lifecycle.facts.warehouse_facts import DAY, build_features, build_purchase_histories, build_rfm
from customers.lifecycle.scoring.clv.purchase_histories import summarize_purchases
from customers.lifecycle.scoring.rfm.rfm_scores import measure_rfm
from customers.warehouse.engines.duckdb import DuckDBEngine

AS_OF = 100 * DAY
CLOCK = build_clock(np.zeros(1, np.int64), np.array([DAY // 4]))


def make_documents() -> pa.Table:
    rng = np.random.default_rng(3)
    count = 400
    return pa.table(
        {
            "customer_id": np.sort(rng.integers(1, 60, count)),
            "id": np.arange(count),
            "at": rng.integers(0, 200, count) * (DAY // 2),
            "amount": rng.integers(1, 9_000, count),
            "is_order": (rng.random(count) < 0.9).astype(np.int64),
        }
    ).sort_by([("customer_id", "ascending"), ("at", "ascending"), ("id", "ascending")])


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Australia/Sydney", "Asia/Shanghai", "America/St_Johns"])
def test_purchase_histories_follow_the_clock_of_the_shop(zone: str) -> None:
    """Orders of every second hour from 1998 to 2013, when Newfoundland set its clocks back across midnight."""
    clock = get_local_clock(ZoneInfo(zone))
    at = np.arange(10_400, 16_000, 1 / 12)
    at = (at * 12).astype(np.int64) * (DAY // 12) + DAY // 48
    customer = np.arange(len(at)) // 24
    as_of = int(at[-1]) + DAY // 2
    documents = pa.table({"customer_id": customer, "id": customer, "at": at, "amount": at % 90, "is_order": at * 0 + 1})
    expected = summarize_purchases(customer=customer, at=at, value=at % 90, as_of=as_of, clock=clock)
    rows = build_purchase_histories(ibis.memtable(documents), as_of=as_of, clock=clock).order_by("customer_id")
    table = rows.to_pyarrow()
    for name in ("x", "last_days", "age_days"):
        assert table[name].to_pylist() == getattr(expected, name).tolist(), name


def test_purchase_histories_and_rfm_are_those_of_the_scoring() -> None:
    documents = make_documents()
    table = ibis.memtable(documents)
    columns = {name: documents[name].to_numpy() for name in documents.column_names}
    is_order = columns["is_order"] == 1
    expected = summarize_purchases(
        customer=columns["customer_id"][is_order],
        at=columns["at"][is_order],
        value=columns["amount"][is_order] / 100,
        as_of=AS_OF,
        clock=CLOCK,
    )
    rows = build_purchase_histories(table, as_of=AS_OF, clock=CLOCK).order_by("customer_id").to_pyarrow()
    assert rows["customer_id"].to_pylist() == expected.customer.tolist()
    assert rows["x"].to_pylist() == expected.x.tolist()
    assert rows["last_days"].to_pylist() == expected.last_days.tolist()
    assert rows["age_days"].to_pylist() == expected.age_days.tolist()
    np.testing.assert_allclose(rows["mean_value"].to_numpy(), expected.mean_value)

    ids, start = np.unique(columns["customer_id"], return_index=True)
    (values,) = measure_rfm(
        start=np.append(start, len(is_order)),
        at=columns["at"],
        amount=columns["amount"],
        is_order=is_order,
        moments=[AS_OF],
    )
    scores = values.compute_scores()
    rfm = build_rfm(table).order_by("first_order", "customer_id").to_pyarrow()
    assert rfm["customer_id"].to_pylist() == ids[values.row].tolist()
    for name, column in (("orders", values.orders), ("revenue", values.revenue), ("last_order", values.last_order)):
        assert rfm[name].to_pylist() == column.tolist()
    for name, column in (("r", scores.r), ("f", scores.f), ("m", scores.m)):
        assert rfm[name].to_pylist() == column.tolist()


def test_features_of_a_customer_by_hand() -> None:
    documents = ibis.memtable(
        pa.table(
            {
                "customer_id": [1, 1, 1, 1],
                "id": [1, 2, 3, 4],
                "at": [0, 40 * DAY, 50 * DAY, 99 * DAY],
                "amount": [1000, 500, 300, -200],
                "is_order": [1, 1, 1, 0],
            }
        )
    )
    (row,) = build_features(documents, DuckDBEngine(), as_of=AS_OF).to_pyarrow().to_pylist()
    assert (row["orders"], row["returns"], row["revenue"]) == (3, 1, 1600)
    assert (row["orders_30"], row["revenue_30"], row["orders_90"], row["revenue_90"]) == (0, -200, 2, 600)
    assert (row["median_pause"], row["longest_pause"]) == (25 * DAY, 40 * DAY)
