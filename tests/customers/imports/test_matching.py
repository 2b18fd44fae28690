"""Columns are matched by what was chosen before, by preset, name and content."""

import pytest

from customers.imports.kinds.orders import ORDERS
from customers.imports.kinds.products import PRODUCTS
from customers.imports.matching import RememberedColumns, match_columns, normalize_column
from customers.imports.samples import FileSample, SampleColumn
from customers.imports.value_types import detect_date_format, looks_like


def make_sample(**columns: list[str]) -> FileSample:
    return FileSample(tuple(SampleColumn(name.replace("_", " "), tuple(values)) for name, values in columns.items()))


def test_exact_name_is_matched_even_if_most_values_are_broken() -> None:
    match = match_columns(kind=ORDERS, sample=make_sample(Qty=["many", "some", "2"]))
    assert match.mapping == {"quantity": ["Qty"]}


def test_name_alone_does_not_match_values_of_another_type() -> None:
    match = match_columns(kind=ORDERS, sample=make_sample(Qty=["red", "blue"]))
    assert match.mapping == {}


@pytest.mark.parametrize("name", ["订单编号", "Order-ID", "order_number", "ORDER NO"])
def test_names_are_matched_in_both_languages_and_any_spelling(name: str) -> None:
    sample = FileSample((SampleColumn(name, ("1001",)),))
    assert match_columns(kind=ORDERS, sample=sample).mapping == {"order_id": [name]}


def test_earlier_choice_takes_precedence_and_left_out_columns_stay_out() -> None:
    sample = make_sample(Title=["Tea"], Name=["Green"], Brand=["Northwind"], Color=["green"])
    remembered = RememberedColumns(["Title", "Name", "Brand", "Color"], {"title": ["Name"], "-": ["Color"]})
    match = match_columns(kind=PRODUCTS, sample=sample, remembered=remembered)
    assert match.mapping == {"title": ["Name"], "-": ["Color"]}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (["17.05.2026"], "dmy-dot"),
        (["31/12/2026", "01/02/2026"], "dmy-slash"),
        (["12/31/2026", "01/02/2026"], "mdy-slash"),
        (["2026年5月17日"], "ymd-zh"),
        (["2026-05-17", "2026-05-18 10:00:00"], ""),
        (["01/02/2026"], ""),  # both day and month first
        (["soon"], ""),
    ],
)
def test_date_format_is_detected_only_if_it_is_certain(values: list[str], key: str) -> None:
    assert detect_date_format(values) == key


@pytest.mark.parametrize("value", ["¥19.90", "￥1,299.00", "１２．５", "-5元", "19.90 EUR", "$ 5"])
def test_amounts_are_numbers_as_the_imports_read_them(value: str) -> None:
    assert looks_like("number", [value])


@pytest.mark.parametrize("value", ["十元", "5 kg", "¥5¥", "5 pcs"])
def test_other_texts_are_no_numbers(value: str) -> None:
    assert not looks_like("number", [value])


def test_currencies_and_addresses_are_recognized() -> None:
    assert looks_like("currency", ["eur", "USD"])
    assert not looks_like("currency", ["euro"])
    assert looks_like("email", ["ada@example.com", "", "x"], min_share=0.5)
    assert normalize_column(" Order-ID ") == "order id"


def test_a_plain_list_with_everyday_names_is_no_export_of_a_shop_system() -> None:
    values = {
        "商品编号": ["a1"],
        "商品名称": ["红茶"],
        "分类": ["茶"],
        "品牌": ["北风"],
        "价格": ["19.90"],
        "库存": ["3"],
    }
    match = match_columns(kind=PRODUCTS, sample=make_sample(**values))
    assert (match.preset, match.mapping["product_id"]) == (next(iter(PRODUCTS.presets)), ["商品编号"])
    export = {"ID": ["7"], "SKU": ["a1"], "名称": ["红茶"], "分类": ["茶"], "品牌": ["北风"], "库存": ["3"]}
    assert match_columns(kind=PRODUCTS, sample=make_sample(**export)).preset == "woocommerce"
