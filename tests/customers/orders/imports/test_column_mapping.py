"""Columns find their fields, or the error says what is there and what is near."""

import pytest

from customers.orders.imports.column_mapping import MappingError, parse_assignments, resolve_mapping

OWN = ["order_id", "placed_at", "product_id", "quantity", "unit_price"]


def test_own_names_are_found_whatever_their_case() -> None:
    found = resolve_mapping(columns=["Order ID", "Placed At", "PRODUCT_ID", "Quantity", "Unit Price", "colour"])
    assert found.columns["order_id"] == ("Order ID",)
    assert set(found.columns) == set(OWN)


def test_told_columns_go_before_the_preset() -> None:
    found = resolve_mapping(columns=[*OWN, "Number"], mapping={"order_id": "Number"})
    assert found.columns["order_id"] == ("Number",)


def test_unknown_field_is_named_with_the_nearest() -> None:
    with pytest.raises(MappingError, match=r"Unknown field 'quantiti'\. Do you mean 'quantity'"):
        resolve_mapping(columns=OWN, mapping={"quantiti": "quantity"})


def test_missing_column_is_named_with_the_nearest_and_the_list() -> None:
    with pytest.raises(MappingError) as caught:
        resolve_mapping(columns=["Invoice", "StockCode"], mapping={"order_id": "Invoyce"})
    assert "'Invoyce'" in str(caught.value)
    assert "Do you mean 'Invoice'?" in str(caught.value)
    assert "Invoice, StockCode" in str(caught.value)


def test_one_column_for_two_fields_is_refused() -> None:
    with pytest.raises(MappingError, match="'Price' is given for two fields, unit_price and line_total"):
        resolve_mapping(columns=["Price"], mapping={"unit_price": "Price", "line_total": "Price"})


def test_needed_fields_without_column_are_all_named() -> None:
    with pytest.raises(MappingError) as caught:
        resolve_mapping(columns=["order_id", "quantitty"])
    message = str(caught.value)
    assert all(name in message for name in ("placed_at", "product_id", "quantity", "unit_price"))
    assert "Do you mean 'quantitty'?" in message


def test_assignments_are_read_or_refused() -> None:
    assert parse_assignments(["order_id=Invoice", "customer_id=Customer ID"]) == {
        "order_id": "Invoice",
        "customer_id": "Customer ID",
    }
    for wrong in (["order_id"], ["=x"], ["order_id="], ["order_id=a", "order_id=b"]):
        with pytest.raises(MappingError):
            parse_assignments(wrong)


def test_unknown_preset_is_refused() -> None:
    with pytest.raises(MappingError, match="own, shopify, woocommerce"):
        resolve_mapping(columns=OWN, preset="magento")
