"""The exported files have the sums of the database; only changed parts are written, and none is ever incomplete."""

import hashlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from catalog.models import Product
from config.foundation.job_runs import INTERRUPTED_ERROR
from customers.feedback.models import Review
from customers.identity.models import Customer
from customers.orders.models import Order, OrderLine
from customers.warehouse.connection import open_warehouse
from customers.warehouse.current_tables import read_current_identifiers
from customers.warehouse.engines.base import get_reader_schema
from customers.warehouse.export import TableExport, UnknownTableError, export_table, export_warehouse
from customers.warehouse.models import ExportRun
from customers.warehouse.parquet_files import STAGING, WarehouseWriteError, get_warehouse_root
from customers.warehouse.tables import PERSONAL_KEYS, TABLES
from tests.child_processes import kill_after_output, start_child
from tests.makers import make_customer, make_identifier, make_order, make_product, make_source

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def export() -> dict[str, TableExport]:
    return {result.table: result for result in export_warehouse(started_at=NOW)}


def make_shop() -> None:
    """Create three days of orders with all characters that CSV has to escape."""
    anna = make_customer("anna", language="en", traits={"size": 3, "email": "anna@example.com"}, name="Anna")
    guest = None
    tea = make_product(
        "tea", category="Drinks > Tea", brand="Leaf", title='Tea, "green"\nsecond line', tags=["a b", "c,d"]
    )
    cup = make_product(
        "cup,1", category="Kitchen", price=Decimal("4.55"), description="杯子", attributes={"colour": "red"}
    )
    make_order(anna, placed_at=FIRST, products=[tea, cup], order_id="1", channel="shop, north", coupon='"SALE"')
    make_order(guest, placed_at=FIRST + timedelta(microseconds=1), products=[tea], quantity=2, order_id="2")
    make_order(anna, placed_at=FIRST + timedelta(days=1), products=[cup], order_id="3", refunded=Decimal("1.10"))
    make_order(anna, placed_at=FIRST + timedelta(days=9), products=[cup], quantity=-1, kind="return", order_id="4")
    Review.objects.create(
        review_id="r1", product=tea, customer=anna, rating=4, language="en", title="Anna's tea", body="I am Anna.",
        sentiment=0.5, written_at=FIRST,
    )  # fmt: skip
    Review.objects.create(review_id="r2", product=cup, rating=1, written_at=FIRST + timedelta(days=3))


def make_event(message_id: str, at: datetime, **fields: Any) -> None:
    values: dict[str, Any] = {
        "source_id": make_source().pk,
        "message_id": message_id,
        "type": "track",
        "name": "Product Viewed",
        "user_id": "",
        "anonymous_id": "",
        "occurred_at": at,
        "received_at": at,
        "session_id": "",
        "product_ids": [],
        "currency": "",
        "properties": "{}",
        "context": "{}",
        "recommendation_id": "",
        **fields,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO events_event ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )


def hash_files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def read_rows(name: str, order_by: str = "id") -> list[dict[str, Any]]:
    with open_warehouse() as tables:
        return tables[name].order_by(order_by).to_pyarrow().to_pylist()


@pytest.mark.django_db
def test_sums_of_the_files_equal_those_of_the_database(root: Path) -> None:
    make_shop()
    export()
    with open_warehouse() as tables:
        lines, orders = tables["order_lines"], tables["orders"]
        by_day = lines.group_by("date").aggregate(n=lines.count(), total=lines.total.sum(), units=lines.quantity.sum())
        days = by_day.order_by("date").to_pyarrow().to_pylist()
        of_orders = orders.aggregate(total=orders.total.sum(), refunded=orders.refunded.sum()).to_pyarrow().to_pylist()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (placed_at AT TIME ZONE 'UTC')::date, count(*), sum(l.total), sum(l.quantity)"
            " FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id GROUP BY 1 ORDER BY 1"
        )
        assert [(row["date"], row["n"], row["total"], row["units"]) for row in days] == cursor.fetchall()
        cursor.execute("SELECT sum(total), sum(refunded) FROM orders_order")
        assert [(row["total"], row["refunded"]) for row in of_orders] == cursor.fetchall()
    assert [row["date"] for row in days] == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 10)]


@pytest.mark.django_db
def test_values_equal_those_in_the_database(root: Path) -> None:
    make_shop()
    export()
    first = read_rows("orders")[0]
    order = Order.objects.earliest("id")
    assert (first["placed_at"], first["channel"], first["coupon"]) == (FIRST, "shop, north", '"SALE"')
    assert (first["total"], first["customer_id"], first["source"]) == (order.total, order.customer_id, "shop")
    assert read_rows("orders")[1]["customer_id"] is None
    assert read_rows("orders")[1]["placed_at"] == FIRST + timedelta(microseconds=1)
    tea, cup = read_rows("products")
    assert (tea["title"], tea["tags"], tea["is_active"]) == ('Tea, "green"\nsecond line', ["a b", "c,d"], True)
    assert (cup["description"], cup["tags"], cup["price"], cup["sku"]) == ("杯子", [], Decimal("4.55"), None)
    line = read_rows("order_lines")[1]
    assert (line["product_id"], line["category"], line["brand"], line["line_number"]) == ("cup,1", "Kitchen", None, 2)
    of_customer, of_guest = read_rows("reviews")
    assert (of_customer["customer_id"], of_customer["product_id"], of_customer["rating"]) == (
        order.customer_id,
        "tea",
        4,
    )
    assert (
        of_customer["sentiment"],
        of_customer["contradicts"],
        of_customer["language"],
        of_customer["written_at"],
    ) == (
        0.5,
        False,
        "en",
        FIRST,
    )
    assert (of_guest["customer_id"], of_guest["sentiment"], of_guest["language"]) == (None, None, None)


@pytest.mark.django_db
def test_files_contain_no_personal_data(root: Path) -> None:
    make_shop()
    anna = Customer.objects.get()
    make_identifier(anna, "hash-of-mail", kind="email_hash")
    make_event("1", FIRST, type="identify", properties='{"plan": "x", "city": "Paris"}')
    make_event("2", FIRST, properties='{"email": "anna@example.com", "path": "/tea", "url": "https://x/?mail=anna"}')
    export()
    everything = b"".join(path.read_bytes() for path in root.rglob("*.parquet"))
    texts = [str(row) for name in TABLES for row in read_rows(name)]
    for secret in ("Anna", "anna@example.com", "hash-of-mail", "Paris", "mail=anna"):
        assert secret.encode() not in everything
        assert not [text for text in texts if secret in text]
    assert [row["traits"] for row in read_rows("customers")] == ['{"size": 3}']
    assert {row["properties"] for row in read_rows("events")} == {"{}", '{"path": "/tea"}'}


@pytest.mark.django_db
def test_files_contain_no_encrypted_part_and_no_id_that_is_an_address(root: Path) -> None:
    customer = make_customer("13800138000", traits={"微信号": "wx-anna", "size": 3})
    make_event("1", FIRST, user_id="13800138000", name="Mail to anna@example.com", properties='{"$personal": "gAAAA"}')
    make_event("2", FIRST, user_id="anna@example.com", anonymous_id="a%40b.example")
    make_event("3", FIRST, user_id="u1", context='{"page": {"path": "/unsubscribe/anna@example.com"}}')
    make_identifier(customer, "a%40b.example", kind="anonymous_id")
    make_identifier(customer, "dev1", kind="anonymous_id")
    export()
    assert [row["value"] for row in read_rows("identifiers")] == ["dev1"]
    training = read_current_identifiers([customer.pk])["value"].to_pylist()
    assert sorted(training) == ["13800138000", "a%40b.example", "dev1"]
    texts = [str(row) for name in TABLES for row in read_rows(name)]
    for secret in ("13800138000", "anna", "gAAAA", "b.example", "$sealed", "$personal"):
        assert not [text for text in texts if secret in text]
    first, second, third = read_rows("events")
    assert (first["customer_id"], first["name"], first["user_id"]) == (customer.pk, "", None)
    assert (second["user_id"], second["anonymous_id"], third["user_id"], third["path"]) == (None, None, "u1", None)
    assert [row["traits"] for row in read_rows("customers")] == ['{"size": 3}']


def test_no_column_is_named_after_personal_data() -> None:
    columns = {field.name for table in TABLES.values() for field in table.schema}
    # the name of an event, not of a person
    assert columns & set(PERSONAL_KEYS) == {"name"}
    assert "name" not in TABLES["customers"].schema.names


@pytest.mark.django_db
def test_events_have_their_customer_and_products(root: Path) -> None:
    anna = make_customer("anna")
    make_identifier(anna, "browser", kind="anonymous_id")
    make_event("1", FIRST, user_id="anna", product_ids=["tea", "cup,1"], value=Decimal("9.50"), session_id="s")
    make_event("2", FIRST, anonymous_id="browser", context='{"page": {"path": "/cup"}, "locale": "zh-CN"}')
    make_event("3", FIRST + timedelta(days=40), anonymous_id="stranger")
    export()
    first, second, third = read_rows("events")
    assert (first["customer_id"], first["product_ids"], first["value"]) == (anna.pk, ["tea", "cup,1"], Decimal("9.50"))
    assert (second["customer_id"], second["path"], second["locale"], second["product_ids"]) == (
        anna.pk,
        "/cup",
        "zh-CN",
        [],
    )
    assert (third["customer_id"], third["anonymous_id"]) == (None, "stranger")
    assert sorted(path.name for path in (root / "events").iterdir()) == ["date=2026-01-01", "date=2026-02-10"]


@pytest.mark.django_db
def test_a_second_export_writes_nothing(root: Path) -> None:
    make_shop()
    first = export()
    before = hash_files(root)
    second = export()
    assert hash_files(root) == before
    assert [result.parts_written for result in second.values()] == [0] * len(TABLES)
    assert first["order_lines"].rows_written == second["order_lines"].rows_total == OrderLine.objects.count()


def cancel_an_order() -> None:
    Order.objects.filter(order_id="3").update(status="cancelled")


def move_an_order() -> None:
    Order.objects.filter(order_id="3").update(placed_at=FIRST + timedelta(days=2))


def rename_a_category() -> None:
    Product.objects.filter(product_id="tea").update(brand="Other")


def add_a_late_order() -> None:
    make_order(None, placed_at=FIRST - timedelta(days=30), products=[Product.objects.earliest("id")], order_id="5")


def both(*days: str | None) -> dict[str, list[str | None]]:
    return {"orders": list(days), "order_lines": list(days)}


def remove_reviewers() -> None:
    Review.objects.update(customer=None)


def change_nothing() -> None:
    Product.objects.filter(product_id="tea").update(updated_at=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "written", "removed"),
    [
        (cancel_an_order, both("2026-01-02"), []),
        (move_an_order, both("2026-01-02", "2026-01-03"), []),
        (rename_a_category, {"order_lines": ["2026-01-01", "2026-01-02"], "products": [None]}, []),
        (add_a_late_order, both("2025-12-02"), []),
        (change_nothing, {}, []),
        (remove_reviewers, {"reviews": ["2026-01-01"]}, []),
        (lambda: Review.objects.filter(review_id="r2").delete(), {}, ["reviews"]),
        (lambda: Order.objects.filter(order_id="4").delete(), {}, ["orders", "order_lines"]),
    ],
)
def test_only_changed_files_are_written(
    root: Path, change: Callable[[], None], written: dict[str, list[str | None]], removed: list[str]
) -> None:
    make_shop()
    export()
    before = hash_files(root)
    change()
    result = export()
    after = hash_files(root)
    touched = {path for path in after if after[path] != before.get(path)}
    expected = {
        f"{table}/date={day}/part.parquet" if day else f"{table}/part.parquet"
        for table, days in written.items()
        for day in days
    }
    assert touched == expected
    assert [table for table in TABLES if result[table].parts_removed] == removed
    fresh = root.with_name("fresh")
    clean_export(fresh)
    assert hash_files(fresh) == after


def clean_export(folder: Path) -> None:
    with override_settings(WAREHOUSE_URL=str(folder)):
        export()


@pytest.mark.django_db
def test_result_does_not_depend_on_the_chunk_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_shop()
    export()
    monkeypatch.setattr("customers.warehouse.export.CHUNK_ROWS", 1)
    small = root.with_name("small")
    clean_export(small)
    for path in hash_files(root):
        assert pq.read_table(small / path).equals(pq.read_table(root / path))
    assert hash_files(small).keys() == hash_files(root).keys()


@pytest.mark.django_db
def test_broken_or_missing_file_is_rewritten(root: Path) -> None:
    make_shop()
    export()
    before = hash_files(root)
    (root / "orders" / "date=2026-01-01" / "part.parquet").write_bytes(b"PAR1 half a file")
    (root / "products" / "part.parquet").unlink()
    result = export()
    assert hash_files(root) == before
    assert (result["orders"].parts_written, result["products"].parts_written, result["order_lines"].parts_written) == (
        1,
        1,
        0,
    )


@pytest.mark.django_db
def test_tables_that_were_never_exported_are_empty_and_have_their_columns(root: Path) -> None:
    with open_warehouse() as tables:
        for name, table in TABLES.items():
            assert tables[name].schema() == ibis.Schema.from_pyarrow(get_reader_schema(table))
            assert tables[name].count().to_pyarrow().as_py() == 0
        with pytest.raises(KeyError, match="nothing"):
            tables["nothing"]


@pytest.mark.django_db
def test_a_shop_without_orders_exports_empty_tables(root: Path) -> None:
    export()
    assert read_rows("order_lines") == []
    assert read_rows("products") == []
    assert pq.read_schema(root / "products" / "part.parquet").remove_metadata() == TABLES["products"].schema


@pytest.mark.django_db
def test_files_have_the_schema_of_the_table(root: Path) -> None:
    make_shop()
    make_event("1", FIRST)
    export()
    for name, table in TABLES.items():
        for path in (root / name).rglob("*.parquet"):
            schema: pa.Schema = pq.read_schema(path)
            assert schema.remove_metadata() == table.schema, name


@pytest.mark.django_db
def test_one_table_can_be_exported_alone(root: Path) -> None:
    make_shop()
    assert export_table(table="products", started_at=NOW).rows_written == 2
    assert [path.name for path in root.iterdir()] == ["products"]
    with pytest.raises(UnknownTableError, match=r"'shoes'.*products"):
        export_table(table="shoes", started_at=NOW)


@pytest.mark.django_db
def test_each_table_leaves_a_record(root: Path) -> None:
    make_shop()
    export()
    runs = {run.table: run for run in ExportRun.objects.all()}
    assert set(runs) == set(TABLES)
    assert (runs["order_lines"].rows, runs["order_lines"].part) == (5, "2026-01-01 – 2026-01-10 (3)")
    assert all(run.finished_at and run.finished_at >= NOW and not run.error for run in runs.values())
    checksum = runs["orders"].checksum
    export()
    assert ExportRun.objects.filter(table="orders").first().checksum == checksum  # type: ignore[union-attr]


@pytest.mark.django_db
def test_interrupted_export_is_marked_by_the_next(root: Path) -> None:
    died = ExportRun.objects.create(table="orders", started_at=NOW)
    export()
    died.refresh_from_db()
    assert died.error == INTERRUPTED_ERROR


def test_remote_url_is_rejected_with_the_fix(settings: Any) -> None:
    settings.WAREHOUSE_URL = "s3://bucket/warehouse"
    with pytest.raises(ImproperlyConfigured, match=r"WAREHOUSE_URL='s3://bucket/warehouse'.*local folder"):
        get_warehouse_root()
    settings.WAREHOUSE_URL = "file:///srv/warehouse"
    assert get_warehouse_root() == Path("/srv/warehouse")


@pytest.mark.django_db
def test_command_names_a_folder_that_cannot_be_created(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings.WAREHOUSE_URL = str(tmp_path / "file" / "warehouse")
    with pytest.raises(CommandError, match="file/warehouse"):
        call_command("export_warehouse")
    assert ExportRun.objects.exclude(error="").count() == len(TABLES)


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
from customers.warehouse.export import export_warehouse
from customers.warehouse.parquet_files import WarehouseWriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    export_warehouse(started_at=datetime.now(UTC))
except WarehouseWriteError as error:
    print(error, flush=True)
"""


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_full_disk_is_reported_and_keeps_the_old_files(root: Path) -> None:
    make_shop()
    export()
    before = hash_files(root)
    make_order(None, placed_at=FIRST, products=[Product.objects.earliest("id")])
    noise = os.urandom(60_000).hex()  # does not compress below the limit
    Product.objects.filter(product_id="tea").update(description=noise)
    child = start_child(FULL_DISK, WAREHOUSE_URL=str(root))
    output, problems = child.communicate(timeout=300)
    assert str(root) in output, problems
    assert "WAREHOUSE_URL" in output
    assert hash_files(root) == before
    assert not (root / STAGING).exists()
    assert ExportRun.objects.filter(error__contains=str(root)).count() == len(TABLES)
    export()
    assert read_rows("products")[0]["description"] == noise


STOP_AT_FIFTH_STEP = """
import sys
from datetime import UTC, datetime
from customers.warehouse import export
export.CHUNK_ROWS = 1
steps = 0
def stop(done, total):
    global steps
    steps += 1
    if steps == 5:
        print("stopped", flush=True)
        sys.stdin.read()
export.export_warehouse(started_at=datetime.now(UTC), progress=stop)
"""


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_export_keeps_the_old_files_and_the_next_one_cleans_up(root: Path) -> None:
    make_shop()
    export()
    before = hash_files(root)
    Order.objects.update(coupon="changed")
    OrderLine.objects.update(discount=1)
    kill_after_output(start_child(STOP_AT_FIFTH_STEP, WAREHOUSE_URL=str(root)), "stopped")
    remaining = hash_files(root)
    assert {path: remaining[path] for path in before} == before
    assert any(path.startswith(STAGING) for path in remaining)
    export()
    assert not (root / STAGING).exists()
    fresh = root.with_name("fresh")
    clean_export(fresh)
    assert hash_files(root) == hash_files(fresh)
    assert ExportRun.objects.filter(error=INTERRUPTED_ERROR).count() == len(TABLES)


def test_full_disk_is_named_in_the_error() -> None:
    assert "the disk is full" in str(WarehouseWriteError(Path("/x"), OSError(28, "No space left on device")))
    assert signal.SIGXFSZ
