"""Small files with known results: every row is loaded, unchanged or rejected with a reason."""

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.orders.imports.amounts import normalize_amount
from customers.orders.imports.file_import import (
    ColumnMappingError,
    ImportOptionError,
    UnreadableOrderFileError,
    get_error_file,
    import_orders,
)
from customers.orders.imports.loading import staged_load
from customers.orders.imports.status_words import STATUS_WORDS, TRANSLATED_STATUS_WORDS
from customers.orders.models import Order, OrderImport, OrderLine
from customers.segments.models import PendingOrderCount
from tests.makers import make_customer, make_identifier, make_order, make_product, make_source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEADER = "order_id,customer_id,placed_at,product_id,product_title,quantity,unit_price"
THREE = f"""{HEADER}
A1,ada,2026-05-01 10:00:00,kettle,Blue kettle,1,30.00
A1,ada,2026-05-01 10:00:00,tea,Green tea,3,4.50
A2,,2026-05-02T08:30:00+02:00,tea,Green tea,2,4.50
"""

Load = Callable[..., OrderImport]


@pytest.fixture(autouse=True)
def exports(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"
    settings.SHOP_CURRENCY = "EUR"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Import a text (or bytes) as a file."""

    def load(text: str | bytes, *, name: str = "orders.csv", **options: Any) -> OrderImport:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return import_orders(path=path, **{"source": make_source(), "started_at": NOW, **options})

    return load


def lines_of(order_id: str) -> list[tuple[Any, ...]]:
    return list(
        OrderLine.objects.filter(order__order_id=order_id).values_list(
            "line_number", "product__product_id", "quantity", "unit_price", "discount", "total"
        )
    )


def read_rejected(run: OrderImport) -> list[dict[str, str]]:
    with get_error_file(run).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_stored_data() -> tuple[list[Any], list[Any], list[Any]]:
    """Return everything that an import may change, in comparable form."""
    orders = Order.objects.order_by("source__key", "order_id").values_list(
        "source__key", "order_id", "customer__identifiers__value", "kind", "status", "placed_at", "subtotal", "total"
    )
    lines = OrderLine.objects.order_by("order__order_id", "line_number").values_list(
        "order__order_id", "line_number", "product__product_id", "quantity", "unit_price", "discount", "total"
    )
    return list(orders), list(lines), list(Product.objects.order_by("product_id").values_list("product_id", "title"))


def test_orders_lines_customers_and_products_are_created(load: Load) -> None:
    run = load(THREE)
    assert (run.rows, run.loaded, run.unchanged, run.rejected, run.problems) == (3, 3, 0, 0, {})
    assert run.finished_at is not None
    assert run.error_file == ""
    assert run.counts["guest_lines"] == 1
    first = Order.objects.get(order_id="A1")
    assert (first.subtotal, first.total, first.currency, first.status, first.kind) == (
        Decimal("43.50"),
        Decimal("43.50"),
        "EUR",
        "placed",
        "sale",
    )
    assert lines_of("A1") == [
        (1, "kettle", 1, Decimal("30.0000"), 0, Decimal("30.00")),
        (2, "tea", 3, Decimal("4.5000"), 0, Decimal("13.50")),
    ]
    ada = Identifier.objects.get(kind="user_id", value="ada").customer
    assert first.customer == ada
    assert ada.first_seen_at == ada.last_seen_at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    guest = Order.objects.get(order_id="A2")
    assert guest.customer is None
    assert guest.placed_at == datetime(2026, 5, 2, 6, 30, tzinfo=UTC)
    kettle = Product.objects.get(product_id="kettle")
    assert (kettle.title, kettle.price, kettle.currency, kettle.is_active) == (
        "Blue kettle",
        Decimal("30.00"),
        "EUR",
        True,
    )


def test_created_products_have_changed_at_the_end_of_a_long_import(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load_orders, moments = staged_load.load_orders, []

    def load_slowly(*arguments: Any, **options: Any) -> None:
        load_orders(*arguments, **options)
        moments.append(timezone.now())

    monkeypatch.setattr(staged_load, "load_orders", load_slowly)
    older = make_product("other")
    load(THREE, started_at=timezone.now() - timedelta(minutes=10))
    created = Product.objects.exclude(product_id="other")
    assert [product.updated_at >= moments[0] for product in created] == [True, True]
    assert Product.objects.get(product_id="other").updated_at == older.updated_at


def test_second_import_changes_nothing(load: Load) -> None:
    load(THREE)
    before = read_stored_data()
    run = load(THREE)
    assert (run.loaded, run.unchanged, run.rejected) == (0, 3, 0)
    assert (run.counts["orders_unchanged"], run.counts["orders_updated"], run.counts["orders_created"]) == (2, 0, 0)
    assert run.counts["customers_created"] == run.counts["products_created"] == 0
    assert read_stored_data() == before


def test_changed_file_changes_only_what_differs(load: Load) -> None:
    load(THREE)
    ids = set(OrderLine.objects.values_list("id", flat=True))
    run = load(THREE.replace("tea,Green tea,3", "tea,Green tea,4") + "A3,bob,2026-05-03,kettle,Blue kettle,1,30\n")
    assert (run.loaded, run.unchanged) == (2, 2)
    assert (run.counts["lines_updated"], run.counts["lines_created"]) == (1, 1)
    assert (run.counts["orders_updated"], run.counts["orders_created"], run.counts["orders_unchanged"]) == (1, 1, 1)
    assert Order.objects.get(order_id="A1").total == Decimal("48.00")
    assert ids < set(OrderLine.objects.values_list("id", flat=True))


def test_line_missing_from_a_complete_order_is_removed(load: Load) -> None:
    load(THREE)
    run = load(THREE.replace("A1,ada,2026-05-01 10:00:00,kettle,Blue kettle,1,30.00\n", ""))
    assert run.counts["lines_removed"] == 1
    assert lines_of("A1") == [(1, "tea", 3, Decimal("4.5000"), 0, Decimal("13.50"))]
    assert Order.objects.get(order_id="A1").total == Decimal("13.50")


def test_numbered_lines_of_two_files_form_one_order(load: Load) -> None:
    header = "order_id,line_number,placed_at,product_id,quantity,unit_price\n"
    load(header + "A1,1,2026-05-01,kettle,1,30\n")
    run = load(header + "A1,2,2026-05-01,tea,2,4.50\n")
    assert run.counts["lines_removed"] == 0
    assert [line[:2] for line in lines_of("A1")] == [(1, "kettle"), (2, "tea")]
    assert Order.objects.get(order_id="A1").total == Decimal("39.00")


def test_lines_scattered_over_the_file_form_one_order(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.orders.imports.files.csv_rows.CHUNK_BYTES", 4096)
    rows = [f"A{n % 7},c{n % 7},2026-05-01,p{n},1,1.00" for n in range(700)]
    run = load("order_id,customer_id,placed_at,product_id,quantity,unit_price\n" + "\n".join(rows))
    assert (run.loaded, run.counts["orders_created"]) == (700, 7)
    assert {total for (total,) in Order.objects.values_list("total")} == {Decimal("100.00")}
    numbers = OrderLine.objects.filter(order__order_id="A3").values_list("line_number", "product__product_id")
    assert list(numbers) == [(k + 1, f"p{7 * k + 3}") for k in range(100)]


REASONS = {
    "missing_order_id": ",ada,2026-05-01,tea,Tea,1,4.50",
    "missing_product": "B1,ada,2026-05-01,,Tea,1,4.50",
    "missing_date": "B2,ada,,tea,Tea,1,4.50",
    "bad_date": "B3,ada,31.12.2025,tea,Tea,1,4.50",
    "before_founding": "B3,ada,1899-12-30,tea,Tea,1,4.50",
    "future_date": "B4,ada,2026-11-26 00:00,tea,Tea,1,4.50",
    "missing_quantity": "B5,ada,2026-05-01,tea,Tea,,4.50",
    "bad_number": "B6,ada,2026-05-01,tea,Tea,one,4.50",
    "missing_price": "B7,ada,2026-05-01,tea,Tea,1,",
    "zero_quantity": "B8,ada,2026-05-01,tea,Tea,0,4.50",
    "negative_price": "B9,ada,2026-05-01,tea,Tea,1,-4.50",
    "stock_movement": "B10,,2026-05-01,tea,Tea,-5,0",
    "too_long": f"{'B' * 101},ada,2026-05-01,tea,Tea,1,4.50",
    "wrong_column_count": "B11,ada,2026-05-01,tea",
}


@pytest.mark.parametrize("reason", REASONS)
def test_invalid_row_is_rejected_alone_with_its_reason(load: Load, reason: str) -> None:
    run = load(f"{THREE}{REASONS[reason]}\nA9,eve,2026-05-09,tea,Green tea,1,4.50\n")
    assert (run.rows, run.loaded, run.rejected) == (5, 4, 1)
    assert run.problems == {reason: 1}
    (row,) = read_rejected(run)
    assert (row["line"], row["code"]) == ("5", reason)
    assert row["reason"]


def test_dates_up_to_one_day_ahead_are_accepted(load: Load) -> None:
    assert load(f"{HEADER}\nA1,ada,2026-11-25 11:59,tea,Tea,1,4.50\n").loaded == 1


def test_unknown_currency_status_and_line_number_are_rejected(load: Load) -> None:
    run = load(
        "order_id,line_number,placed_at,product_id,quantity,unit_price,currency,status\n"
        "A1,1,2026-05-01,tea,1,4.50,EUR,placed\n"
        "A2,1,2026-05-01,tea,1,4.50,XYZ,placed\n"
        "A3,1,2026-05-01,tea,1,4.50,EUR,teleported\n"
        "A4,first,2026-05-01,tea,1,4.50,EUR,placed\n"
        "A1,1,2026-05-01,kettle,1,30,EUR,placed\n"
    )
    assert run.loaded == 1
    assert run.problems == {"bad_line_number": 1, "duplicate_line": 1, "unknown_currency": 1, "unknown_status": 1}
    assert [(row["line"], row["field"], row["value"]) for row in read_rejected(run)] == [
        ("3", "currency", "XYZ"),
        ("4", "status", "teleported"),
        ("5", "line_number", "first"),
        ("6", "line_number", "1"),
    ]


def test_statuses_are_known_in_the_languages_of_the_column_names(load: Load) -> None:
    words = {
        "已完成": "placed",
        "交易成功": "placed",
        "待发货": "placed",
        "已取消": "cancelled",
        "交易关闭": "cancelled",
        "已退款": "refunded",
        "部分退款": "partly_refunded",
        "Abgeschlossen": "placed",
        "Annulée": "cancelled",
        "Reembolsado parcialmente": "partly_refunded",
        "Rimborsato": "refunded",
        "In behandeling": "placed",
    }
    rows = (f"{word},2026-05-01,tea,1,4.50,{word}\n" for word in words)
    assert load("order_id,placed_at,product_id,quantity,unit_price,status\n" + "".join(rows)).problems == {}
    assert dict(Order.objects.values_list("order_id", "status")) == words


def test_each_status_word_has_one_meaning() -> None:
    words = [
        word for table in (STATUS_WORDS, TRANSLATED_STATUS_WORDS) for own in table.values() for word in own.split()
    ]
    assert len(words) == len(set(words))


def test_line_total_must_match_price_quantity_and_discount(load: Load) -> None:
    run = load(
        "order_id,placed_at,product_id,quantity,unit_price,line_discount,line_total\n"
        "A1,2026-05-01,tea,3,4.50,1.50,12.00\n"
        "A2,2026-05-01,tea,3,4.50,1.50,15.00\n"
    )
    assert run.problems == {"total_mismatch": 1}
    assert lines_of("A1") == [(1, "tea", 3, Decimal("4.5"), Decimal("1.50"), Decimal("12.00"))]


def test_a_line_whose_amount_is_too_large_is_rejected_alone(load: Load) -> None:
    run = load(f"{THREE}B1,eve,2026-05-01,tea,Tea,999999999,9999999999\nB2,eve,2026-05-01,tea,Tea,100000000,1000000\n")
    assert (run.loaded, run.problems) == (3, {"bad_number": 2})
    large = "".join("B3,eve,2026-05-01,tea,Tea,50,9999999999\n" for _line in range(3))
    run = load(f"{THREE}{large}")  # each line is small enough, and their sum is not
    assert (run.rejected, run.problems) == (3, {"bad_number": 3})


def test_missing_discount_is_computed_from_price_and_total(load: Load) -> None:
    load("order_id,placed_at,product_id,quantity,unit_price,line_total\nA1,2026-05-01,tea,3,4.50,10.00\n")
    assert lines_of("A1") == [(1, "tea", 3, Decimal("4.5"), Decimal("3.50"), Decimal("10.00"))]


def test_missing_price_is_computed_from_the_total(load: Load) -> None:
    load("order_id,placed_at,product_id,quantity,line_total,line_discount\nA1,2026-05-01,tea,4,10.00,2\n")
    assert lines_of("A1") == [(1, "tea", 4, Decimal("3.0000"), Decimal("2.00"), Decimal("10.00"))]


def test_conflicting_rows_of_an_order_are_rejected_after_the_first(load: Load) -> None:
    run = load(
        f"{HEADER}\n"
        "A1,ada,2026-05-01 10:00,tea,Tea,1,4.50\n"
        "A1,bob,2026-05-01 10:00,tea,Tea,1,4.50\n"
        "A1,ada,2026-05-03 10:00,tea,Tea,1,4.50\n"
        "A1,ada,2026-05-01 10:01,tea,Tea,1,4.50\n"
    )
    assert (run.loaded, run.problems) == (2, {"order_conflict": 2})
    assert [(row["line"], row["field"], row["value"]) for row in read_rejected(run)] == [
        ("3", "customer_id", "bob"),
        ("4", "placed_at", "2026-05-03 10:00"),
    ]
    order = Order.objects.get()
    assert order.placed_at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert [line[0] for line in lines_of("A1")] == [1, 4]


def test_fixed_row_is_added_to_its_order(load: Load) -> None:
    broken = THREE.replace("kettle,Blue kettle,1,", "kettle,Blue kettle,?,")
    run = load(broken)
    assert [line[:2] for line in lines_of("A1")] == [(2, "tea")]
    assert Order.objects.get(order_id="A1").total == Decimal("13.50")
    run = load(THREE)
    assert (run.loaded, run.unchanged) == (1, 2)
    assert [line[:2] for line in lines_of("A1")] == [(1, "kettle"), (2, "tea")]
    assert Order.objects.get(order_id="A1").total == Decimal("43.50")


def test_row_that_became_invalid_leaves_the_stored_line(load: Load) -> None:
    load(THREE)
    run = load(THREE.replace("kettle,Blue kettle,1,", "kettle,Blue kettle,?,"))
    assert (run.unchanged, run.rejected) == (2, 1)
    assert [line[:2] for line in lines_of("A1")] == [(1, "kettle"), (2, "tea")]
    assert Order.objects.get(order_id="A1").total == Decimal("43.50")


def test_credit_note_is_a_return_and_exchange_is_a_sale(load: Load) -> None:
    run = load(
        f"{HEADER}\n"
        "C7,ada,2026-05-04,tea,Tea,-2,4.50\n"
        "A8,ada,2026-05-05,tea,Tea,-1,4.50\n"
        "A8,ada,2026-05-05,kettle,Kettle,1,30\n"
    )
    assert (run.loaded, run.counts["return_lines"]) == (3, 2)
    note = Order.objects.get(order_id="C7")
    assert (note.kind, note.subtotal, note.total) == ("return", Decimal("-9.00"), Decimal("-9.00"))
    exchange = Order.objects.get(order_id="A8")
    assert (exchange.kind, exchange.total) == ("sale", Decimal("25.50"))


def test_all_rows_of_a_sale_with_a_negative_total_are_rejected(load: Load) -> None:
    run = load(
        "order_id,placed_at,product_id,quantity,unit_price,order_discount\n"
        "A1,2026-05-01,tea,1,4.50,10\nA1,2026-05-01,tea,1,4.50,\nA2,2026-05-01,tea,3,4.50,1\n"
    )
    assert (run.loaded, run.problems) == (1, {"negative_total": 2})
    order = Order.objects.get()
    assert (order.order_id, order.subtotal, order.discount, order.total) == ("A2", Decimal("13.5"), 1, Decimal("12.5"))


def test_zero_quantity_is_accepted_on_request(load: Load) -> None:
    text = "order_id,placed_at,product_id,quantity,line_total\nA1,2026-05-01,tea,0,0\nA1,2026-05-01,tea,2,9.00\n"
    assert load(text).problems == {"zero_quantity": 1}
    run = load(text, keep_zero_quantity=True)
    assert (run.loaded, run.unchanged, run.rejected) == (1, 1, 0)
    assert lines_of("A1") == [(1, "tea", 0, 0, 0, 0), (2, "tea", 2, Decimal("4.5"), 0, Decimal("9.00"))]


def test_rows_of_unknown_products_can_be_rejected(load: Load) -> None:
    make_product("tea", title="Tea from the catalog", price=Decimal("9.99"))
    run = load(THREE, products="reject")
    assert (run.loaded, run.problems) == (2, {"unknown_product": 1})
    assert read_rejected(run)[0]["value"] == "kettle"
    assert not Product.objects.filter(product_id="kettle").exists()
    assert Product.objects.get(product_id="tea").title == "Tea from the catalog"


def test_created_products_get_category_and_brand(load: Load) -> None:
    load(
        "order_id,placed_at,product_id,product_title,category,brand,quantity,unit_price\n"
        "A1,2026-05-01,k1,Kettle,Kitchen > Kettles,Acme,1,30\nA2,2026-05-01,k1,,,,1,40\nA3,2026-05-01,k2,,,,1,0\n"
    )
    kettle = Product.objects.select_related("category").get(product_id="k1")
    assert (kettle.title, str(kettle.category), kettle.brand, kettle.price) == (
        "Kettle",
        "Kitchen > Kettles",
        "Acme",
        Decimal("35.00"),
    )
    bare = Product.objects.get(product_id="k2")
    assert (bare.title, bare.price, bare.currency) == ("k2", None, "")


def test_dry_run_counts_the_same_and_writes_nothing(load: Load) -> None:
    text = THREE + REASONS["bad_number"] + "\n"
    dry = load(text, dry_run=True)
    assert (Order.objects.count(), OrderLine.objects.count(), Customer.objects.count(), Product.objects.count()) == (
        0,
        0,
        0,
        0,
    )
    assert OrderImport.objects.get().dry_run
    real = load(text)
    assert (dry.rows, dry.loaded, dry.rejected, dry.problems, dry.counts) == (
        real.rows,
        real.loaded,
        real.rejected,
        real.problems,
        real.counts,
    )
    assert read_rejected(dry) == read_rejected(real)


def test_known_customers_are_matched_and_their_seen_times_widen(load: Load) -> None:
    ada = make_customer("ada", first_seen_at=datetime(2026, 6, 1, tzinfo=UTC), country="")
    run = load(
        "order_id,customer_id,email,placed_at,product_id,quantity,unit_price,country\n"
        "A1,ada,Ada@Example.org,2026-05-01,tea,1,4.50,France\nA2,bob,bob@example.org,2026-07-01,tea,1,4.50,\n"
    )
    assert run.counts["customers_created"] == 1
    ada.refresh_from_db()
    assert (ada.first_seen_at, ada.country) == (datetime(2026, 5, 1, tzinfo=UTC), "France")
    assert Identifier.objects.get(kind="email_hash", value=hash_email("ada@example.org")).customer == ada
    bob = Identifier.objects.get(kind="user_id", value="bob").customer
    assert bob.email == "bob@example.org"


def test_email_address_of_another_customer_is_not_reassigned(load: Load) -> None:
    carla = make_customer("carla")
    make_identifier(carla, hash_email("home@example.org"), kind="email_hash")
    load(
        "order_id,customer_id,email,placed_at,product_id,quantity,unit_price\n"
        "A1,dora,home@example.org,2026-05-01,tea,1,4.50\n"
    )
    assert Identifier.objects.get(kind="email_hash").customer == carla


def test_customer_ids_formatted_as_floats_are_read_as_integers(load: Load) -> None:
    load(f"{HEADER}\nA1,13085.0,2026-05-01,tea,Tea,1,4.50\n")
    assert Identifier.objects.get(kind="user_id").value == "13085"


def test_placeholders_instead_of_customer_ids_mean_guests(load: Load) -> None:
    rows = "".join(
        f"A{number},{text},2026-05-01,tea,Tea,1,4.50\n"
        for number, text in enumerate(["guest", "NULL", "(not set)", "0.0", "00100", "-", "user7"])
    )
    assert load(f"{HEADER}\n{rows}").counts["guest_lines"] == 5
    assert set(Identifier.objects.values_list("value", flat=True)) == {"00100", "user7"}


def test_times_without_offset_are_in_the_given_time_zone(load: Load) -> None:
    load(f"{HEADER}\nA1,ada,2026-07-01 12:00,tea,Tea,1,4.50\n", timezone="Europe/Berlin")
    assert Order.objects.get().placed_at == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_date_format_can_be_set(load: Load) -> None:
    load(f"{HEADER}\nA1,ada,31.12.2025 08:00,tea,Tea,1,4.50\n", date_formats=["%d.%m.%Y %H:%M"])
    assert Order.objects.get().placed_at == datetime(2025, 12, 31, 8, tzinfo=UTC)


def test_same_order_id_of_two_sources_gives_two_orders(load: Load) -> None:
    load(THREE)
    load(THREE, source=make_source("other"))
    assert Order.objects.filter(order_id="A1").count() == 2


def test_orders_missing_from_the_file_are_kept(load: Load) -> None:
    other = make_order(None, products=[make_product("cup")])
    load(THREE)
    other.refresh_from_db()
    assert other.lines.count() == 1


def test_columns_missing_from_the_file_keep_their_values(load: Load) -> None:
    load(THREE)
    Order.objects.filter(order_id="A1").update(coupon="SPRING", status="refunded", shipping=Decimal("5"))
    run = load(THREE)
    assert run.counts["orders_unchanged"] == 2
    order = Order.objects.get(order_id="A1")
    assert (order.coupon, order.status, order.shipping) == ("SPRING", "refunded", Decimal("5"))


def test_loading_with_rebuilt_keys_gives_the_same_result(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(THREE)
    plain = read_stored_data()
    Order.objects.all().delete()
    Product.objects.all().delete()
    Customer.objects.all().delete()
    PendingOrderCount.objects.all().delete()
    keys = list_keys_and_triggers()
    monkeypatch.setattr(staged_load, "MIN_LINES_FOR_REBUILD", 1)
    load(THREE)
    assert read_stored_data() == plain
    assert list_keys_and_triggers() == keys
    buyers = Customer.objects.filter(orders__isnull=False)
    assert set(PendingOrderCount.objects.values_list("pk", flat=True)) == {buyer.pk for buyer in buyers} != set()


def list_keys_and_triggers() -> set[tuple[str, str]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid IN ('orders_order'::regclass, 'orders_orderline'::regclass)
            UNION SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('orders_order', 'orders_orderline')
            UNION SELECT tgrelid::regclass || '.' || tgname, tgenabled::text FROM pg_trigger
            WHERE tgrelid IN ('orders_order'::regclass, 'orders_orderline'::regclass) AND NOT tgisinternal
            """
        )
        return set(cursor.fetchall())


# encodings, delimiters, formats

CHINESE = f"{HEADER}\nA1,张三,2026-05-01,茶,绿茶和红茶,1,4.50\n"
FRENCH = f"{HEADER}\nA1,Zoé,2026-05-01,thé,Thé à la menthe,1,4.50\n"


@pytest.mark.parametrize(
    ("text", "encoding", "title"),
    [
        (CHINESE, "utf-8", "绿茶和红茶"),
        (CHINESE, "utf-8-sig", "绿茶和红茶"),
        (CHINESE, "utf-16", "绿茶和红茶"),
        (CHINESE, "gb18030", "绿茶和红茶"),
        (FRENCH, "cp1252", "Thé à la menthe"),
        (FRENCH, "utf-16-le", "Thé à la menthe"),
        (FRENCH, "utf-16-be", "Thé à la menthe"),
    ],
)
def test_encoding_is_detected(load: Load, text: str, encoding: str, title: str) -> None:
    assert load(text.encode(encoding)).loaded == 1
    assert Product.objects.get().title == title


def test_invalid_utf8_is_reported_with_its_line(load: Load) -> None:
    with pytest.raises(UnreadableOrderFileError, match=r"orders\.csv, line 3: the bytes e9 .* are not valid utf-8"):
        load(CHINESE.encode() + "A2,Zoé,2026-05-01,thé,Thé,1,4.50\n".encode("cp1252"))
    assert "line 3" in OrderImport.objects.get().error
    assert not Order.objects.exists()


def test_encoding_can_be_set(load: Load) -> None:
    text = f"{HEADER}\nA1,zoe,2026-05-01,menthe,Thé menthe,1,4.50\n".encode("mac_roman")
    load(text, encoding="mac_roman")
    assert Product.objects.get().title == "Thé menthe"
    with pytest.raises(UnreadableOrderFileError, match="Unknown encoding 'klingon'"):
        load(text, encoding="klingon")


def test_binary_data_is_rejected(load: Load) -> None:
    with pytest.raises(UnreadableOrderFileError, match="line 2"):
        load(HEADER.encode() + b"\nA1,\x00\x00,2026-05-01,tea,Tea,1,4.50\n")


def test_an_id_of_several_lines_is_rejected(load: Load) -> None:
    row = '"c1,2026-05-01,tea,Tea,1,4.50\nA2,""c2",2026-05-01,tea,Tea,1,4.50\n'
    run = load(f"{HEADER}\nA1,{row}A3,c3,2026-05-01,tea,Tea,1,4.50\n")
    assert (run.loaded, run.problems) == (1, {"bad_characters": 1})
    assert Customer.objects.count() == 1


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiter_is_detected(load: Load, delimiter: str) -> None:
    assert load(THREE.replace(",", delimiter)).loaded == 3


def test_decimal_comma_between_semicolons(load: Load) -> None:
    load('order_id;placed_at;product_id;quantity;unit_price\nA1;2026-05-01;tea;1,5;"1.234,50"\n')
    assert lines_of("A1") == [(1, "tea", Decimal("1.5"), Decimal("1234.5"), 0, Decimal("1851.75"))]


def test_commas_group_thousands_between_commas(load: Load) -> None:
    run = load(
        "order_id,placed_at,product_id,quantity,unit_price\n"
        'A1,2026-05-01,tea,1,"1,234.50"\nA2,2026-05-01,tea,1,"12,5"\n'
    )
    assert lines_of("A1")[0][-1] == Decimal("1234.50")
    assert run.problems == {"bad_number": 1}


@pytest.mark.parametrize(
    ("price", "currency"),
    [
        ("¥59.90", "CNY"),
        ("￥59.90", "JPY"),
        ("59.90元", "CNY"),
        ("５９．９０", "CNY"),
        ("$ 59.90", "USD"),
        ("59.90 €", "EUR"),
        ("£59.90", "GBP"),
        ("eur 59.90", "EUR"),
    ],
)
def test_amounts_have_signs_of_the_currency_and_full_width_digits(load: Load, price: str, currency: str) -> None:
    text = f"order_id,placed_at,product_id,quantity,unit_price,total\nA1,2026-05-01,tea,２,{price},119.80\n"
    assert load(text, currency=currency).problems == {}
    assert lines_of("A1") == [(1, "tea", 2, Decimal("59.90"), 0, Decimal("119.80"))]


def test_signs_group_thousands_follow_a_minus_and_name_the_currency_of_the_row(load: Load) -> None:
    run = load(
        "order_id,placed_at,product_id,quantity,unit_price,line_total,currency\n"
        'A1,2026-05-01,tea,-1,"￥1,299.00","-¥1,299.00",CNY\nA2,2026-05-01,tea,1,¥5,,EUR\nA3,2026-05-01,tea,1,€5,,\n'
        "A4,2026-05-01,tea,€1,5,,\nA5,2026-05-01,tea,1,$5,,\nA6,2026-05-01,tea,1,¥5¥,,CNY\nA7,2026-05-01,tea,1,1¥5,,CNY\n"
    )
    assert lines_of("A1")[0][3:] == (Decimal(1299), 0, Decimal(-1299))
    assert lines_of("A3")[0][-1] == Decimal(5)
    assert [(row["line"], row["field"], row["value"]) for row in read_rejected(run)] == [
        ("3", "unit_price", "¥5"),
        ("5", "quantity", "€1"),
        ("6", "unit_price", "$5"),
        ("7", "unit_price", "¥5¥"),
        ("8", "unit_price", "1¥5"),
    ]


def test_texts_that_are_too_long_for_an_amount_are_rejected_and_not_kept_in_memory(load: Load) -> None:
    kept = normalize_amount.cache_info().currsize
    run = load(f"order_id,placed_at,product_id,quantity,unit_price\nA1,2026-05-01,tea,1,¥{'9' * 10_000}\n")
    assert [row["field"] for row in read_rejected(run)] == ["unit_price"]
    assert normalize_amount.cache_info().currsize == kept


def test_quotes_line_breaks_and_blank_lines_keep_line_numbers(load: Load) -> None:
    run = load(
        f"{HEADER}\r\n"
        'A1,ada,2026-05-01,tea,"Tea, ""green""\r\nand more",1,4.50\r\n'
        "\r\n"
        "A2,ada,2026-05-01,tea,Tea,x,4.50\r\n"
        "A3,ada\r\n"
        "A4,ada,2026-05-01,tea,Tea,y,4.50\r\n"
    )
    assert (run.rows, run.loaded) == (4, 1)
    assert [(row["line"], row["code"], row["value"]) for row in read_rejected(run)] == [
        ("5", "bad_number", "x"),
        ("7", "bad_number", "y"),
        ("6", "wrong_column_count", "2 ≠ 7"),
    ]
    assert Product.objects.get().title.startswith('Tea, "green"')


def test_gzipped_file_is_read(load: Load) -> None:
    assert load(gzip.compress(THREE.encode()), name="orders.csv.gz").loaded == 3


def test_truncated_gzip_is_rejected(load: Load) -> None:
    with pytest.raises(UnreadableOrderFileError, match="damaged or incomplete gzip file"):
        load(gzip.compress(THREE.encode())[:-20], name="orders.csv.gz")


def test_parquet_is_read_with_its_types(load: Load, tmp_path: Path) -> None:
    table = pa.table(
        {
            "order_id": pa.array([7, 7, 8]),
            "customer_id": pa.array([13085.0, 13085.0, None]),
            "placed_at": pa.array([datetime(2026, 5, 1, 10)] * 3),  # noqa: DTZ001
            "product_id": ["tea", "kettle", "tea"],
            "quantity": pa.array([1, 2, 0]),
            "unit_price": pa.array([4.5, 30.0, 4.5]),
        }
    )
    pq.write_table(table, tmp_path / "orders.parquet")
    run = import_orders(path=tmp_path / "orders.parquet", source=make_source(), started_at=NOW)
    assert (run.rows, run.loaded, run.problems) == (3, 2, {"zero_quantity": 1})
    assert read_rejected(run)[0]["line"] == "3"
    assert Identifier.objects.get(kind="user_id").value == "13085"
    assert Order.objects.get().placed_at == datetime(2026, 5, 1, 10, tzinfo=UTC)


# errors that stop the import


def test_unreadable_files_stop_the_import(load: Load, tmp_path: Path) -> None:
    with pytest.raises(UnreadableOrderFileError, match="is empty"):
        load("")
    with pytest.raises(UnreadableOrderFileError, match="No such file"):
        import_orders(path=tmp_path / "gone.csv", source=make_source(), started_at=NOW)
    with pytest.raises(UnreadableOrderFileError, match="folder"):
        import_orders(path=tmp_path, source=make_source(), started_at=NOW)
    with pytest.raises(UnreadableOrderFileError, match="has a header but no rows"):
        load(HEADER + "\n")
    with pytest.raises(UnreadableOrderFileError, match="save it as CSV"):
        load(b"PK\x03\x04 and so on", name="orders.xlsx")
    with pytest.raises(UnreadableOrderFileError, match="damaged or incomplete Parquet file"):
        load(b"PAR1 cut", name="orders.parquet")


def test_file_without_header_stops_the_import(load: Load) -> None:
    with pytest.raises(ColumnMappingError, match="first line of the file must contain the column names"):
        load("A1,ada,2026-05-01,tea,Tea,1,4.50\n")


def test_unclosed_quote_stops_the_import_and_writes_nothing(load: Load) -> None:
    with pytest.raises(UnreadableOrderFileError, match=r"line 5.* quotation mark"):
        load(THREE + 'A3,"ada,2026-05-01,tea,Tea,1,4.50\nA4,ada,2026-05-01,tea,Tea,1,4.50\n')
    assert not Order.objects.exists()


def test_invalid_options_stop_the_import(load: Load) -> None:
    with pytest.raises(ImportOptionError, match="Unknown currency 'EURO'"):
        load(THREE, currency="EURO")
    with pytest.raises(ImportOptionError, match="Unknown time zone 'Mars/Olympus'"):
        load(THREE, timezone="Mars/Olympus")


def test_unfinished_record_of_a_killed_import_is_closed(load: Load) -> None:
    dead = OrderImport.objects.create(source=make_source(), file_name="old.csv", started_at=NOW)
    load(THREE)
    dead.refresh_from_db()
    assert "nothing was written" in dead.error


def test_corrected_error_file_can_be_imported(load: Load) -> None:
    """The error file has no cell that a spreadsheet would run, and its import stores the texts as they were."""
    titles = ['=HYPERLINK("x")', "+a", "-b", "@c", "'=d", "it's", "-5"]
    rows = "".join(
        f"B{number},eve,2026-05-09,p{number},{quote_cell(title)},x,4.50\n" for number, title in enumerate(titles)
    )
    run = load(f"{HEADER}\n{rows}")
    assert run.problems == {"bad_number": len(titles)}
    cells = [cell for row in read_rejected(run) for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "@", "-b")) for cell in cells)
    corrected = get_error_file(run).read_text(encoding="utf-8").replace(",x,4.50", ",1,4.50")
    assert load(corrected, name="corrected.csv").loaded == len(titles)
    assert list(Product.objects.order_by("product_id").values_list("title", flat=True)) == titles


def quote_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


REFUND_HEADER = "order_id,customer_id,placed_at,product_id,quantity,unit_price"


def test_a_refunded_return_has_no_refunded_amount_of_its_own(load: Load) -> None:
    load(f"{REFUND_HEADER},status\nR1,ada,2026-05-01,tea,-2,10.00,refunded\n")
    order = Order.objects.get()
    assert (order.kind, order.status, order.total, order.refunded) == ("return", "refunded", Decimal(-20), 0)


def test_a_file_without_the_refunded_amount_keeps_it(load: Load) -> None:
    load(f"{REFUND_HEADER},status,refunded\nA1,ada,2026-05-01,tea,2,10.00,partially_refunded,5.00\n")
    run = load(f"{REFUND_HEADER},status\nA1,ada,2026-05-01,tea,2,10.00,partially_refunded\n")
    order = Order.objects.get()
    assert (run.counts["orders_unchanged"], order.status, order.refunded) == (1, "partly_refunded", Decimal("5.00"))
    load(f"{REFUND_HEADER},status\nA1,ada,2026-05-01,tea,2,10.00,refunded\n")
    assert Order.objects.get().refunded == Decimal("20.00")


def test_a_refund_above_the_total_is_rejected_and_a_refund_without_a_status_sets_it(load: Load) -> None:
    header = f"{REFUND_HEADER},refunded\n"
    row = ",ada,2026-05-01,tea,2,10.00,"
    run = load(f"{header}A1{row}500.00\nA2{row}20.01\nA3{row}5.00\n")
    assert run.problems == {"refunded_too_large": 1}
    assert dict(Order.objects.values_list("order_id", "status")) == {"A2": "refunded", "A3": "partly_refunded"}
    Order.objects.filter(order_id="A3").update(status="cancelled")
    load(f"{header}A2{row}0\nA3{row}6.00\n")
    assert dict(Order.objects.values_list("order_id", "status")) == {"A2": "refunded", "A3": "cancelled"}


def test_a_group_of_thousands_does_not_begin_with_a_zero(load: Load) -> None:
    text = f'{REFUND_HEADER}\nA1,ada,2026-05-01,tea,"0,500",10.00\nA2,ada,2026-05-01,tea,"1,500",10.00\n'
    assert load(text).problems == {"bad_number": 1}
    assert OrderLine.objects.get().quantity == 1500
