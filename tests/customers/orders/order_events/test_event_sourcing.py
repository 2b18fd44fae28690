"""An order is derived from its events, whatever the order of their arrival; no database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from customers.events.event_taxonomy import Meaning
from customers.orders.order_events.event_parsing import OrderEventError, parse_number, parse_order_event, read_order_id
from customers.orders.order_events.event_sourcing import LoggedOrderEvent, derive_order
from customers.orders.order_rules import EVENT_QUANTITY_LIMIT, QUANTITY

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEA = {"product_id": "tea", "price": 10, "quantity": 3}
CUP = {"product_id": "cup", "price": "4.50", "quantity": "2"}


def make_event(kind: str, minute: int, message_id: str = "", *, name: str = "", **properties: Any) -> LoggedOrderEvent:
    meaning = {
        "completed": Meaning.PURCHASE,
        "updated": Meaning.ORDER_UPDATE,
        "refunded": Meaning.REFUND,
        "cancelled": Meaning.CANCELLATION,
    }[kind]
    content = parse_order_event(properties, meaning=meaning, name=name or kind)
    return LoggedOrderEvent(
        kind, NOON + timedelta(minutes=minute), message_id or f"{kind}-{minute}", content, user_id="ada"
    )


def derive(*events: LoggedOrderEvent) -> Any:
    return derive_order(events, currency="EUR")


def state(order: Any) -> tuple[str, Decimal, Decimal]:
    return order.status, order.total, order.refunded


def parse(meaning: Meaning = Meaning.PURCHASE, name: str = "Order Completed", **properties: Any) -> dict[str, Any]:
    return parse_order_event(properties, meaning=meaning, name=name)


def test_any_order_of_arrival_gives_the_same_order() -> None:
    events = [
        make_event("completed", 0, products=[TEA, CUP], shipping=5, coupon="WELCOME"),
        make_event("updated", 1, products=[TEA], shipping=5),
        make_event("refunded", 2, products=[{"product_id": "tea", "quantity": 1}]),
        make_event("refunded", 3, amount="-2.50"),
        make_event("cancelled", 4),
    ]
    for length in range(1, len(events) + 1):
        for subset in permutations(events, length):
            expected = derive(*sorted(subset, key=lambda event: event.occurred_at))
            assert derive(*subset) == expected
            assert (expected is None) == (events[0] not in subset)
    whole = derive(*events)
    assert state(whole) == ("cancelled", Decimal("35.00"), Decimal("12.50"))
    assert (whole.coupon, [line["product_id"] for line in whole.lines], whole.placed_at) == ("WELCOME", ["tea"], NOON)
    assert state(derive(*events[:4])) == ("partly_refunded", Decimal("35.00"), Decimal("12.50"))


@pytest.mark.parametrize(
    ("properties", "total"),
    [
        ({"products": [TEA, CUP]}, "39.00"),
        ({"products": [TEA, CUP], "discount": -4, "shipping": "5", "tax": 1}, "41.00"),
        ({"products": [TEA], "total": "1,299.00"}, "1299.00"),
        ({"products": [TEA], "revenue": 25, "shipping": 5, "tax": "2,50"}, "32.50"),
        ({"products": [TEA], "value": 30, "shipping": 5}, "35.00"),
        ({"products": [TEA], "discount": 99}, "0.00"),
        ({"total": 12}, "12.00"),
        ({}, "0.00"),
        ({"products": ["tea", 7]}, "0.00"),
        ({"products": TEA}, "30.00"),
    ],
)
def test_total_is_given_or_computed(properties: dict[str, Any], total: str) -> None:
    assert derive(make_event("completed", 0, **properties)).total == Decimal(total)


def test_subtotal_is_the_sum_of_the_lines() -> None:
    order = derive(make_event("completed", 0, products=[TEA, {**CUP, "discount": 1}], subtotal=99))
    assert (order.subtotal, order.lines[1]["total"], order.lines[1]["discount"]) == (Decimal("38.00"), "8.00", "1.00")


def test_ga4_prices_are_net_of_the_discount() -> None:
    item = {"item_id": "tea", "item_name": "Tea", "price": 8, "discount": 2, "quantity": 3, "item_category": "Drinks"}
    line = parse(name="purchase", items=[item])["lines"][0]
    assert (line["unit_price"], line["discount"], line["total"]) == ("10.0000", "6.00", "24.00")
    assert (line["title"], line["category"]) == ("Tea", "Drinks")


def test_update_without_products_changes_only_its_fields() -> None:
    order = derive(
        make_event("completed", 0, products=[TEA], tax=2), make_event("updated", 1, coupon="LATE", shipping=4)
    )
    assert (order.total, order.shipping, order.tax, order.coupon) == (Decimal(36), Decimal(4), Decimal(2), "LATE")
    assert [line["product_id"] for line in order.lines] == ["tea"]


@pytest.mark.parametrize("products", [[], [{**TEA, "quantity": 0}]])
def test_an_empty_list_of_products_changes_no_lines(products: list[Any]) -> None:
    order = derive(
        make_event("completed", 0, products=[TEA]), make_event("updated", 1, products=products, coupon="LATE")
    )
    assert (order.total, order.coupon) == (Decimal(30), "LATE")
    assert [line["product_id"] for line in order.lines] == ["tea"]


def test_lines_with_zero_quantity_are_skipped() -> None:
    assert [line["product_id"] for line in parse(products=[TEA, {**CUP, "quantity": 0}])["lines"]] == ["tea"]


@pytest.mark.parametrize(
    ("refund", "status", "refunded"),
    [
        ({}, "refunded", "30.00"),
        ({"total": 30}, "refunded", "30.00"),
        ({"total": 99}, "refunded", "30.00"),
        ({"total": "-12.00"}, "partly_refunded", "12.00"),
        ({"products": [{"product_id": "tea", "quantity": 2}]}, "partly_refunded", "20.00"),
        ({"products": [{"product_id": "tea", "quantity": 9}]}, "refunded", "30.00"),
        ({"products": ["tea"]}, "refunded", "30.00"),
        ({"products": [{"product_id": "tea", "quantity": "2", "price": "9.99"}]}, "partly_refunded", "19.98"),
        ({"products": [TEA], "total": 5}, "partly_refunded", "5.00"),
        ({"products": ["never-bought"]}, "partly_refunded", "0.00"),
        ({"total": 12, "currency": "usd"}, "partly_refunded", "0.00"),
        (
            {"products": [{"product_id": "tea", "quantity": 1, "price": 99}], "currency": "USD"},
            "partly_refunded",
            "10.00",
        ),
    ],
)
def test_refund_amount_is_the_given_one_or_the_price_paid(refund: dict[str, Any], status: str, refunded: str) -> None:
    order = derive(make_event("completed", 0, products=[TEA], currency="EUR"), make_event("refunded", 1, **refund))
    assert (order.status, order.refunded) == (status, Decimal(refunded))


@pytest.mark.parametrize(
    ("sale", "refunded"),
    [
        ({"discount": 6}, "8.00"),
        ({"discount": 6, "total": 29, "shipping": 5}, "8.00"),
        ({"discount": 6, "total": 24, "tax": 4}, "8.00"),  # the prices include the tax
        ({"discount": 6, "total": 30}, "10.00"),  # nothing was paid less than the lines
        ({"discount": 99}, "0.00"),
    ],
)
def test_a_returned_product_is_worth_its_share_of_what_was_paid(sale: dict[str, Any], refunded: str) -> None:
    returned = [{"product_id": "tea", "quantity": 1}]
    order = derive(make_event("completed", 0, products=[TEA], **sale), make_event("refunded", 1, products=returned))
    assert order.refunded == Decimal(refunded)


def test_a_discount_on_the_lines_is_not_subtracted_twice() -> None:
    line = {**TEA, "discount": 6}
    order = derive(
        make_event("completed", 0, products=[line], discount=6, total=24, tax=4),
        make_event("refunded", 1, products=[{"product_id": "tea", "quantity": 1}]),
    )
    assert order.refunded == Decimal("8.00")


def test_repeated_refund_counts_once_and_two_refunds_count_twice() -> None:
    bought, part = make_event("completed", 0, products=[TEA]), {"amount": 5}
    assert (
        derive(bought, make_event("refunded", 1, "m1", **part), make_event("refunded", 20, "m2", **part)).refunded == 5
    )
    assert (
        derive(bought, make_event("refunded", 1, "m1", **part), make_event("refunded", 61, "m2", **part)).refunded == 10
    )
    first, second = (
        make_event("refunded", 1, "m1", refund_id="r1", **part),
        make_event("refunded", 2, "m2", refund_id="r2", **part),
    )
    assert derive(bought, first, second).refunded == 10
    assert derive(bought, first, make_event("refunded", 600, "m3", refund_id="r1", **part)).refunded == 5


def test_completed_order_with_two_message_ids_is_one_order() -> None:
    once = derive(make_event("completed", 0, "m1", products=[TEA]))
    assert (
        derive(make_event("completed", 0, "m1", products=[TEA]), make_event("completed", 5, "m2", products=[TEA]))
        == once
    )


def test_user_id_takes_precedence_over_visitor_id() -> None:
    content = parse(products=[TEA])
    visitor = LoggedOrderEvent("completed", NOON, "m1", content, anonymous_id="v1", guest_email_hash="hash")
    user = LoggedOrderEvent("updated", NOON - timedelta(hours=1), "m2", {}, user_id="ada")
    order = derive(visitor, user)
    assert (order.user_id, order.anonymous_id, order.guest_email_hash) == ("ada", "", "")
    order = derive(visitor)
    assert (order.user_id, order.anonymous_id, order.guest_email_hash) == ("", "v1", "hash")


@pytest.mark.parametrize(("content", "keeps"), [({"customer": True}, True), ({"customer": False}, False), ({}, True)])
def test_only_a_user_id_takes_an_order_from_its_imported_customer(content: dict[str, bool], keeps: bool) -> None:
    imported = LoggedOrderEvent("imported", NOON, "imported:1", {**parse(products=[TEA]), **content})
    visitor = LoggedOrderEvent("updated", NOON + timedelta(minutes=1), "m1", {}, anonymous_id="v1")
    user = LoggedOrderEvent("updated", NOON + timedelta(minutes=2), "m2", {}, user_id="ada")
    assert derive(imported, visitor).keeps_customer is keeps
    order = derive(imported, visitor, user)
    assert (order.user_id, order.keeps_customer) == ("ada", False)


def test_an_imported_order_is_the_first_event_of_its_log() -> None:
    imported = LoggedOrderEvent(
        "imported",
        NOON,
        "imported:1",
        {**parse(products=[TEA], total=30), "status": "partly_refunded", "refunded": "4.00"},
    )
    order = derive(imported, make_event("refunded", 1, amount=6))
    assert (state(order), order.lines) == (("partly_refunded", Decimal("30.00"), Decimal("10.00")), None)
    changed = derive(imported, make_event("updated", 2, products=[CUP]))
    assert (changed.total, changed.lines[0]["product_id"]) == (Decimal("9.00"), "cup")


@pytest.mark.parametrize(
    ("properties", "code", "text"),
    [
        ({"products": [{**TEA, "quantity": -1}]}, "negative_quantity", "products.0.quantity is -1"),
        ({"products": [{**TEA, "price": "-3"}]}, "negative_price", "products.0.price is -3"),
        ({"products": [TEA, {**TEA, "price": "ten"}]}, "bad_number", "products.1.price is 'ten'"),
        ({"products": [{**TEA, "quantity": True}]}, "bad_number", "products.0.quantity is True"),
        ({"products": [{"name": "Tea"}]}, "missing_product", "products.0 has no product_id"),
        ({"products": "tea"}, "invalid_products", "products is 'tea'"),
        ({"products": [[1]]}, "invalid_products", "products.0 is '[1]'"),
        ({"total": -5}, "negative_total", "Send Order Refunded"),
        ({"total": "1e30"}, "amount_too_large", "total is '1e30'"),
        ({"total": "NaN"}, "bad_number", "total is 'NaN'"),
        ({"currency": "EURO"}, "unknown_currency", "currency is 'EURO'"),
        ({"products": [TEA] * 1001}, "invalid_products", "at most 1000"),
        ({"products": [{**TEA, "price": "9e9", "quantity": "9e7"}]}, "amount_too_large", "products.0"),
        ({"products": [{**TEA, "price": "3e9"}] * 2}, "amount_too_large", "The lines add up to"),
    ],
)
def test_invalid_events_are_rejected_with_a_reason(properties: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(OrderEventError) as error:
        parse(**properties)
    assert error.value.code == code
    assert text in error.value.reason


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({}, "missing_order_id"),
        ({"order_id": "  "}, "missing_order_id"),
        ({"order_id": "undefined"}, "placeholder_order_id"),
        ({"order_id": "x" * 101}, "too_long"),
    ],
)
def test_order_id_is_required(properties: dict[str, Any], code: str) -> None:
    with pytest.raises(OrderEventError) as error:
        read_order_id(properties, name="Order Completed")
    assert error.value.code == code


@pytest.mark.parametrize("name", ["order_id", "orderId", "transaction_id", "id"])
def test_order_id_has_several_spellings(name: str) -> None:
    assert read_order_id({name: 1042.0}, name="purchase") == "1042"


@pytest.mark.parametrize(
    ("text", "number"), [("0,500", "0.500"), ("1,500", "1500"), ("-1,234,567.5", "-1234567.500"), ("19,90", "19.900")]
)
def test_a_comma_after_a_leading_zero_is_a_decimal_comma(text: str, number: str) -> None:
    assert parse_number(text, "quantity", QUANTITY, limit=EVENT_QUANTITY_LIMIT) == Decimal(number)
