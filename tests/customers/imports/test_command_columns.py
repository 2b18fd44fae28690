"""The commands that import files know the column names of the wizard, and name all missing columns at once."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import FeedImport, Product
from customers.feedback.models import Review
from customers.identity.models import Customer
from customers.imports.command_columns import match_command_columns
from customers.imports.kinds.orders import ORDERS
from customers.imports.kinds.products import PRODUCTS

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(settings: Any, tmp_path: Path) -> Callable[..., Path]:
    settings.EXPORTS_DIR = tmp_path / "exports"

    def write_file(text: str, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


def run(command: str, *arguments: object) -> str:
    out = StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def test_chinese_columns_of_products_customers_and_reviews_are_matched(write: Callable[..., Path]) -> None:
    run("import_products", write("商品编号,商品名称,品牌,售价\na1,红茶,北风,19.90\n"))
    product = Product.objects.get()
    assert (product.product_id, product.title, product.brand, product.attributes) == ("a1", "红茶", "北风", {})

    text = run("import_customers", write("客户编号,邮箱,颜色\nc1,li@example.com,green\n"))
    assert "Columns matched by name: 客户编号 → user_id, 邮箱 → email" in text
    assert "1 created" in text
    assert Customer.objects.count() == 1

    run("import_reviews", write("商品编号,评分,评价内容\na1,5,好喝\n"))
    assert Review.objects.get().body == "好喝"


@pytest.mark.parametrize(
    ("command", "text", "message"),
    [
        (
            "import_products",
            "Colour,Size\ngreen,L\n",
            "Missing columns: product_id (Product ID), title (Title). Columns in the file: Colour, Size. Add to the command: "
            "--map product_id=COLUMN --map title=COLUMN",
        ),
        ("import_customers", "Colour,Size\ngreen,L\n", "--map user_id=COLUMN"),
        ("import_reviews", "Colour,Size\ngreen,L\n", "--map product_id=COLUMN --map rating=COLUMN"),
        ("import_products", "1001,2026-05-01\n1002,2026-05-02\n", "The first line of the file must contain"),
    ],
)
def test_all_missing_columns_are_named(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], command: str, text: str, message: str
) -> None:
    with pytest.raises(CommandError) as caught:
        run(command, write(text))
    assert message in str(caught.value)


def test_counts_of_a_file_that_was_not_read_are_not_printed(write: Callable[..., Path]) -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("import_products", str(write("Colour\ngreen\n")), stdout=out)
    assert out.getvalue() == ""
    assert FeedImport.objects.get().error


def test_chosen_columns_and_the_preset_take_precedence_over_names(write: Callable[..., Path]) -> None:
    path = write("id,货号,名称,标题\n1,2,Tea,Green\n")
    columns = match_command_columns(kind=PRODUCTS, path=path, preset="native", chosen={"title": ["标题"]})
    assert columns.mapping == {"title": ["标题"]}
    assert columns.problem == ""


def test_similar_names_are_not_matched_and_wrong_options_are_left_to_the_import(write: Callable[..., Path]) -> None:
    path = write("Orders No,State\n1,paid\n")
    columns = match_command_columns(kind=ORDERS, path=path, preset="native", chosen={})
    assert columns.matched == {"status": "State"}
    wrong = match_command_columns(kind=ORDERS, path=path, preset="native", chosen={"order_id": ["Number"]})
    assert wrong.problem == ""


def test_punctuation_of_names_does_not_matter(write: Callable[..., Path]) -> None:
    path = write("Order-ID,Placed-At,product_id\n1,2026-05-01,tea\n")
    columns = match_command_columns(kind=ORDERS, path=path, preset="native", chosen={})
    assert columns.mapping == {"order_id": ["Order-ID"], "placed_at": ["Placed-At"]}
