"""The output and the exit of ``manage.py import_orders``."""

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers.orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("Invoice,Day,Item,Count,Price\n1,2026-05-01,tea,1,4.50\n2,2026-05-01,tea,0,4.50\n")
    return path


OPTIONS = ["--map", "order_id=Invoice", "--map", "placed_at=Day", "--map", "product_id=Item", "--map", "quantity=Count"]


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("import_orders", *map(str, arguments), stdout=out, verbosity=0)
    return out.getvalue()


def test_summary_shows_counts_reasons_and_the_error_file(file: Path) -> None:
    text = run(file, *OPTIONS, "--map", "unit_price=Price")
    rows = {" ".join(line.split()) for line in text.splitlines()}
    assert {"rows 2", "loaded 1", "rejected 1", "The quantity is zero. 1", "new orders 1"} <= rows
    assert "-rejected.csv" in text
    assert Order.objects.get().source.key == "orders"


def test_dry_run_is_announced_and_writes_nothing(file: Path) -> None:
    assert "nothing was written" in run(file, *OPTIONS, "--map", "unit_price=Price", "--dry-run")
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "prise=Price"], "Unknown field 'prise'"),
        (["--map", "unit_price=Price", "--currency", "moon"], "Unknown currency 'MOON'"),
        (["--map", "unit_price=Price", "--source", "My Shop"], "lowercase letters"),
        (["--map", "unit_price"], "field=column"),
    ],
)
def test_invalid_arguments_end_with_a_message(file: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        run(file, *OPTIONS, *arguments)
    assert caught.value.returncode == 1


def test_columns_are_matched_by_the_names_of_the_wizard(tmp_path: Path) -> None:
    path = tmp_path / "chinese.csv"
    path.write_text("订单号,下单时间,商品编号,数量,单价,State\n1,2026-05-01,tea,2,4.50,paid\n", encoding="gb18030")
    out = StringIO()
    call_command("import_orders", str(path), "--map", "channel=State", stdout=out)
    assert "订单号 → order_id, 下单时间 → placed_at, 商品编号 → product_id" in out.getvalue()
    order = Order.objects.get()
    assert (order.order_id, order.channel, order.total) == ("1", "paid", Decimal(9))


def test_all_missing_columns_are_named_with_the_options_that_map_them(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("Orders No,Bought,Thing,数量\n1,2026-05-01,tea,2\n")
    with pytest.raises(CommandError) as caught:
        run(path)
    message = str(caught.value)
    assert message.startswith("Missing columns: order_id (Order ID), placed_at (Order date), product_id (Product ID), ")
    assert "Columns in the file: Orders No, Bought, Thing, 数量." in message
    assert (
        "--map 'order_id=Orders No' --map placed_at=Bought --map product_id=COLUMN --map unit_price=COLUMN" in message
    )
    assert not Order.objects.exists()


def test_interruption_is_reported_and_writes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("customers.orders.imports.loading.orders.update_lines", interrupt)
    with pytest.raises(CommandError, match="Nothing was written"):
        run(file, *OPTIONS, "--map", "unit_price=Price")
    assert not Order.objects.exists()


def test_unwritable_folder_is_named_in_the_error(file: Path, settings: Any) -> None:
    settings.EXPORTS_DIR = file / "below-a-file"
    with pytest.raises(CommandError, match="below-a-file"):
        run(file, *OPTIONS, "--map", "unit_price=Price")
    assert not Order.objects.exists()
