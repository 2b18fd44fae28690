"""The current tables contain what PostgreSQL knows and no file does, and every row once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.events.models import Event
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Identifier
from customers.orders.models import Order, OrderLine
from customers.warehouse.connection import open_warehouse
from customers.warehouse.current_tables import find_exported_position, open_current_warehouse, read_current_identifiers
from customers.warehouse.export import export_table, export_warehouse
from customers.warehouse.models import ExportRun
from customers.warehouse.position import EventPosition
from tests.customers.processing.event_makers import NOW, process, product, send, track
from tests.makers import make_customer, make_order, make_product

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path, db: None) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def send_view(*, late: timedelta = timedelta(0), at: Any = NOW, **ids: str) -> None:
    send(track("Product Viewed", product(), timestamp=(at - late).isoformat(), **ids), at=at)


def read_current(name: str, *, as_of: Any = NOW + 2 * HOUR) -> list[dict[str, Any]]:
    with open_current_warehouse(as_of=as_of) as tables:
        return tables[name].order_by("id").to_pyarrow().to_pylist()


def count_file_rows(name: str) -> int:
    with open_warehouse() as tables:
        return int(tables[name].count().to_pyarrow().as_py())


def test_events_that_occurred_long_before_their_receipt_are_read_from_postgresql() -> None:
    export_warehouse(started_at=NOW)
    send_view(at=NOW + HOUR)
    send_view(at=NOW + HOUR, late=timedelta(days=10))
    process(NOW + HOUR)
    assert count_file_rows("events") == 1
    rows = read_current("events")
    assert [row["id"] for row in rows] == list(Event.objects.order_by("id").values_list("id", flat=True))
    assert [row["product_ids"] for row in rows] == [["tea"], ["tea"]]


def test_events_whose_file_is_missing_are_read_from_postgresql(root: Path) -> None:
    export_warehouse(started_at=NOW)
    send_view(at=NOW + HOUR)
    process(NOW + HOUR)
    for path in (root / "events").glob("*/append-*"):
        path.unlink()
    assert [row["customer_id"] for row in read_current("events")] == [Identifier.objects.get().customer_id]


def test_waiting_events_are_beyond_the_position() -> None:
    send_view(at=NOW - HOUR)
    process(NOW)
    send_view(at=NOW + HOUR)
    send_view(at=NOW + HOUR / 2)
    export_warehouse(started_at=NOW + 2 * HOUR)
    last_id = Event.objects.order_by("id").last().id  # type: ignore[union-attr]
    assert find_exported_position() == EventPosition(NOW + HOUR / 2, last_id)
    assert len(read_current("events")) == 1
    process(NOW + 2 * HOUR)
    assert len(read_current("events")) == 3


def test_orders_of_today_and_changed_orders_replace_those_of_the_files() -> None:
    tea = make_product("tea")
    old = make_order(make_customer(), placed_at=NOW - timedelta(days=9), products=[tea])
    changed = make_order(make_customer(), placed_at=NOW - HOUR, products=[tea])
    deleted = make_order(make_customer(), placed_at=NOW - HOUR, products=[tea])
    export_warehouse(started_at=NOW)
    Order.objects.filter(pk=changed.pk).update(status=Order.Status.CANCELLED)
    OrderLine.objects.filter(order=deleted).delete()
    deleted.delete()
    late = make_order(make_customer(), placed_at=NOW - timedelta(days=30), products=[tea, make_product("mug")])
    new = make_order(None, placed_at=NOW + HOUR, products=[tea])
    orders = {row["id"]: row["status"] for row in read_current("orders")}
    assert orders == {old.pk: "placed", changed.pk: "cancelled", late.pk: "placed", new.pk: "placed"}
    lines = [(row["order_pk"], row["product_id"]) for row in read_current("order_lines")]
    assert lines == [(old.pk, "tea"), (changed.pk, "tea"), (late.pk, "tea"), (late.pk, "mug"), (new.pk, "tea")]


def test_merged_customers_are_replaced_by_the_kept_one() -> None:
    kept, merged = make_customer("ada"), make_customer("eve")
    make_order(merged, placed_at=NOW - timedelta(days=9), products=[make_product("tea")])
    send_view(userId="eve", at=NOW)
    process(NOW)
    export_warehouse(started_at=NOW)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOW + HOUR, causes=["test"])
    for name in ("events", "orders", "order_lines"):
        assert {row["customer_id"] for row in read_current(name)} == {kept.pk}, name
    rows = read_current_identifiers([kept.pk]).to_pylist()
    assert {(row["value"], row["customer_id"]) for row in rows} == {("ada", kept.pk), ("eve", kept.pk)}
    assert read_current_identifiers().num_rows == 2


def test_without_an_export_there_is_nothing_and_an_export_of_an_earlier_release_states_a_time() -> None:
    send_view()
    process(NOW)
    assert find_exported_position() is None
    assert len(read_current("events")) == 1, "the appended file"
    export_warehouse(started_at=NOW)
    ExportRun.objects.update(watermark="")
    assert find_exported_position() == EventPosition(NOW - timedelta(days=1), 2**62)
    assert len(read_current("events")) == 1


def test_the_export_of_one_table_does_not_hide_what_the_others_lack() -> None:
    send_view()
    process(NOW)
    export_warehouse(started_at=NOW)
    before = find_exported_position()
    export_table(table="events", started_at=NOW + timedelta(days=3))
    assert find_exported_position() == before
    export_warehouse(started_at=NOW + timedelta(days=3))
    assert find_exported_position() != before
