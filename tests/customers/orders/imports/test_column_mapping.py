"""Columns are matched to fields; errors list what exists and suggest similar names."""

import pytest

from customers.orders.imports.column_mapping import ColumnMappingError, resolve_mapping

NATIVE = ["order_id", "placed_at", "product_id", "quantity", "unit_price"]


def test_native_names_are_matched_regardless_of_case() -> None:
    resolved = resolve_mapping(columns=["Order ID", "Placed At", "PRODUCT_ID", "Quantity", "Unit Price", "colour"])
    assert resolved.columns["order_id"] == ("Order ID",)
    assert set(resolved.columns) == set(NATIVE)


def test_explicit_columns_take_precedence_over_the_preset() -> None:
    resolved = resolve_mapping(columns=[*NATIVE, "Number"], mapping={"order_id": "Number"})
    assert resolved.columns["order_id"] == ("Number",)


def test_unknown_field_is_reported_with_a_suggestion() -> None:
    with pytest.raises(ColumnMappingError, match=r"Unknown field 'quantiti'\. Did you mean 'quantity'"):
        resolve_mapping(columns=NATIVE, mapping={"quantiti": "quantity"})


def test_missing_column_is_reported_with_a_suggestion_and_all_columns() -> None:
    with pytest.raises(ColumnMappingError) as caught:
        resolve_mapping(columns=["Invoice", "StockCode"], mapping={"order_id": "Invoyce"})
    assert "'Invoyce'" in str(caught.value)
    assert "Did you mean 'Invoice'?" in str(caught.value)
    assert "Invoice, StockCode" in str(caught.value)


def test_one_column_for_two_fields_is_an_error() -> None:
    with pytest.raises(ColumnMappingError, match="'Price' is mapped to both unit_price and line_total"):
        resolve_mapping(columns=["Price"], mapping={"unit_price": "Price", "line_total": "Price"})


def test_all_required_fields_without_a_column_are_listed() -> None:
    with pytest.raises(ColumnMappingError) as caught:
        resolve_mapping(columns=["order_id", "quantitty"])
    message = str(caught.value)
    assert all(name in message for name in ("placed_at", "product_id", "quantity", "unit_price"))
    assert "Did you mean 'quantitty'?" in message


def test_unknown_preset_is_an_error() -> None:
    with pytest.raises(ColumnMappingError, match="valid: native, shopify, woocommerce, magento, online-retail"):
        resolve_mapping(columns=NATIVE, preset="prestashop")
