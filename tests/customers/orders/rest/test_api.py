"""The REST endpoints of orders."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Product
from customers.identity.models import Identifier
from customers.orders.models import Order
from customers.orders.upsert import upsert_orders
from tests.makers import NOON, make_customer, make_order, make_product, make_source
from tests.query_plans import analyze, count_read_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(client: Client, settings: Any, tmp_path: Any) -> Client:
    settings.VAR_DIR = tmp_path
    settings.SHOP_CURRENCY = "EUR"
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


def post(client: Client, *orders: Any, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/orders/", {"orders": list(orders), **more}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def order(order_id: str = "A1", **fields: Any) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "user_id": "ada",
        "placed_at": "2026-05-01T10:00:00Z",
        "lines": [{"product_id": "tea", "title": "Green tea", "quantity": 2, "unit_price": 4.5}],
        **fields,
    }


def test_orders_are_created_with_customers_and_products(shop: Client) -> None:
    answer = post(shop, order(), order("A2", user_id=None, shipping="5.00", discount=1, status="refunded"))
    assert (answer["created"], answer["updated"], answer["unchanged"], answer["rejected"]) == (2, 0, 0, 0)
    assert answer["results"][0] == {"index": 0, "order_id": "A1", "status": "created", "errors": []}
    first = Order.objects.get(order_id="A1")
    assert (first.source.key, first.total, first.currency) == ("api", Decimal("9.00"), "EUR")
    assert first.customer == Identifier.objects.get(kind="user_id", value="ada").customer
    second = Order.objects.get(order_id="A2")
    assert (second.customer, second.total, second.refunded, second.status) == (None, 13, 13, "refunded")
    assert Product.objects.get().title == "Green tea"


@pytest.mark.parametrize(
    "user_id", ["guest", " Anonymous ", "null", "undefined", 0, "00000000-0000-0000-0000-000000000000"]
)
def test_orders_with_a_placeholder_belong_to_guests(shop: Client, user_id: Any) -> None:
    answer = post(shop, order(user_id=user_id), order("A2", user_id="guest1"))
    assert answer["created"] == 2
    assert Order.objects.get(order_id="A1").customer is None
    assert list(Identifier.objects.values_list("value", flat=True)) == ["guest1"]


def test_an_order_names_the_first_user_id_of_its_customer_as_other_endpoints_do(shop: Client) -> None:
    post(shop, order(user_id="zoe"))
    customer = Order.objects.get().customer
    Identifier.objects.create(customer=customer, kind="user_id", value="ada")
    assert shop.get("/api/v1/orders/A1/").json()["user_id"] == "zoe"
    assert shop.get("/api/v1/customers/zoe/").json()["user_id"] == "zoe"


def test_second_call_changes_nothing(shop: Client) -> None:
    post(shop, order(), order("A2"))
    answer = post(shop, order(), order("A2"))
    assert [result["status"] for result in answer["results"]] == ["unchanged", "unchanged"]


def test_orders_of_a_sandbox_are_refused(shop: Client) -> None:
    make_source("trial", is_sandbox=True)
    body = {"orders": [order()], "source": "trial"}
    answer = shop.post("/api/v1/orders/", body, content_type="application/json")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["source"]
    assert not Order.objects.exists()


def test_order_is_replaced_completely(shop: Client) -> None:
    lines = [{"product_id": name, "quantity": 1, "unit_price": "3.00"} for name in ("tea", "cup", "pot")]
    post(shop, order(coupon="SPRING", lines=lines), order("A2"))
    answer = post(shop, order(lines=[*lines[:1], {**lines[2], "quantity": 2}]), order("A2"))
    assert [result["status"] for result in answer["results"]] == ["updated", "unchanged"]
    first = Order.objects.get(order_id="A1")
    assert (first.coupon, first.total) == ("", Decimal("9.00"))
    assert list(first.lines.values_list("line_number", "product__product_id")) == [(1, "tea"), (2, "pot")]


def test_order_with_other_lines_of_the_same_total_is_updated(shop: Client) -> None:
    post(shop, order())
    answer = post(shop, order(lines=[{"product_id": "cup", "quantity": 2, "unit_price": "4.50"}]))
    assert answer["updated"] == 1


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"order_id": ""}, "order_id", "required"),
        ({"order_id": "x" * 101}, "order_id", "too_long"),
        ({"placed_at": "yesterday"}, "placed_at", "bad_date"),
        ({"placed_at": None}, "placed_at", "missing_date"),
        ({"placed_at": "1970-01-01T00:00:00Z"}, "placed_at", "before_founding"),
        ({"currency": "XYZ"}, "currency", "unknown_currency"),
        ({"status": "lost"}, "status", "unknown_status"),
        ({"total": "much"}, "total", "bad_number"),
        ({"total": -5}, "total", "negative_total"),
        ({"lines": [{"product_id": "tea", "quantity": 50, "unit_price": 9999999999}] * 3}, "total", "bad_number"),
        ({"lines": []}, "lines", "invalid"),
        ({"lines": ["tea"]}, "lines[0]", "invalid"),
        ({"colour": "blue"}, "colour", "unknown_field"),
        ({"coupon": {"code": "A"}}, "coupon", "invalid"),
        ({"coupon": "A\0"}, "coupon", "bad_characters"),
        ({"coupon": "A" * 101}, "coupon", "too_long"),
        ({"channel": "web " * 40}, "channel", "too_long"),
        ({"email": f"{'a' * 250}@shop.example"}, "email", "too_long"),
        ({"shipping": "1,004.999"}, "shipping", "too_many_decimals"),
        ({"refunded": -1}, "refunded", "negative"),
    ],
)
def test_invalid_order_is_rejected_alone(shop: Client, fields: dict[str, Any], field: str, code: str) -> None:
    answer = post(shop, order(**fields), order("A2"))
    assert (answer["created"], answer["rejected"]) == (1, 1)
    first = answer["results"][0]
    assert [(error["field"], error["code"]) for error in first["errors"]] == [(field, code)]
    assert first["errors"][0]["message"]
    assert list(Order.objects.values_list("order_id", flat=True)) == ["A2"]


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        ({"quantity": 0}, "lines[1].quantity", "zero_quantity"),
        ({"quantity": "two"}, "lines[1].quantity", "bad_number"),
        ({"quantity": 999999999, "unit_price": 9999999999}, "lines[1].unit_price", "bad_number"),
        ({"quantity": 100000000, "unit_price": 1000000}, "lines[1].unit_price", "bad_number"),
        ({"quantity": "0.001", "unit_price": None, "total": 99999999999}, "lines[1].unit_price", "bad_number"),
        ({"unit_price": -1}, "lines[1].unit_price", "negative_price"),
        ({"product_id": None}, "lines[1].product_id", "missing_product"),
        ({"quantity": 1.00049}, "lines[1].quantity", "too_many_decimals"),
        ({"unit_price": "1.23456789"}, "lines[1].unit_price", "too_many_decimals"),
        ({"title": "x" * 501}, "lines[1].title", "too_long"),
        ({"size": "L"}, "lines[1].size", "unknown_field"),
    ],
)
def test_invalid_line_rejects_its_whole_order(shop: Client, line: dict[str, Any], field: str, code: str) -> None:
    good = {"product_id": "tea", "quantity": 1, "unit_price": "3.00"}
    answer = post(shop, order(lines=[good, good | line]), order("A2"))
    assert [(error["field"], error["code"]) for error in answer["results"][0]["errors"]] == [(field, code)]
    assert list(Order.objects.values_list("order_id", flat=True)) == ["A2"]


def test_a_rejected_order_lists_all_its_problems(shop: Client) -> None:
    good = {"product_id": "tea", "quantity": 1, "unit_price": "3.00"}
    wrong = {"placed_at": "2099-01-01T00:00:00Z", "currency": "zzz", "status": "lost", "total": "abc"}
    lines = [good, {**good, "quantity": 0}, {"product_id": "cup", "quantity": 1}, "tea", {**good, "unit_price": "x"}]
    fields = ["placed_at", "currency", "status", "total", "lines[1].quantity", "lines[2].unit_price"]
    fields += ["lines[3]", "lines[4].unit_price"]
    answer = post(
        shop,
        order("A1", **wrong, lines=lines, colour="blue"),
        order("A2"),
        order("A3", **wrong),
        order("A2", **wrong, lines=[]),
        order("", placed_at=None, coupon={"code": "A"}, lines=[{"unit_price": ["1"], "quantity": 1}]),
    )
    found = [sorted(error["field"] for error in result["errors"]) for result in answer["results"]]
    assert found == [
        sorted([*fields, "colour"]),
        [],
        ["currency", "placed_at", "status", "total"],
        ["currency", "lines", "order_id", "placed_at", "status", "total"],
        ["coupon", "lines[0].product_id", "lines[0].unit_price", "order_id", "placed_at"],
    ]
    codes = {error["field"]: error["code"] for error in answer["results"][0]["errors"]}
    assert (codes["placed_at"], codes["lines[2].unit_price"]) == ("future_date", "missing_price")
    assert list(Order.objects.values_list("order_id", flat=True)) == ["A2"]


def test_a_date_that_is_not_valid_is_explained_without_a_file(shop: Client) -> None:
    [error] = post(shop, order(placed_at="yesterday"))["results"][0]["errors"]
    assert error["message"] == "Not a valid time; use ISO 8601, such as 2026-05-17T09:30:00Z."


def test_orders_of_another_system_are_shortened_and_rounded() -> None:
    [line] = order()["lines"]
    items = [order(coupon="A" * 101, refunded=-1, lines=[line | {"unit_price": "4.56789"}])]
    result = upsert_orders(items=items, source=make_source("shop"), at=NOON, currency="EUR")
    assert result.created == 1
    stored = Order.objects.get()
    assert (stored.coupon, stored.refunded, stored.lines.get().unit_price) == ("A" * 100, 1, Decimal("4.5679"))


def test_future_orders_are_rejected(shop: Client) -> None:
    answer = post(shop, order(placed_at=(timezone.now() + timedelta(days=2)).isoformat()))
    assert answer["results"][0]["errors"][0]["code"] == "future_date"


def test_second_order_with_the_same_id_is_rejected(shop: Client) -> None:
    answer = post(shop, order(), order(status="cancelled"))
    assert [result["status"] for result in answer["results"]] == ["created", "rejected"]
    assert Order.objects.get().status == "placed"


def test_more_than_a_thousand_orders_are_rejected(shop: Client) -> None:
    answer = shop.post(
        "/api/v1/orders/", {"orders": [order(str(n)) for n in range(1001)]}, content_type="application/json"
    )
    assert answer.status_code == 400
    assert not Order.objects.exists()


@pytest.mark.parametrize("body", ['{"orders": 5}', "[]", '{"orders": [1]}', '{"orders": [], "source": "a b"}', "{"])
def test_invalid_bodies_are_400(shop: Client, body: str) -> None:
    assert shop.post("/api/v1/orders/", body, content_type="application/json").status_code == 400


def test_orders_are_listed_and_filtered(shop: Client, django_assert_max_num_queries: Any) -> None:
    tea = make_product("tea")
    ada, bob = make_customer("ada"), make_customer("bob")
    for n in range(5):
        make_order(ada, order_id=f"a{n}", products=[tea], placed_at=NOON - timedelta(days=n))
    make_order(bob, order_id="b", status="cancelled", placed_at=NOON - timedelta(days=9))
    make_order(None, order_id="r", kind="return", products=[tea], quantity=-1, placed_at=NOON - timedelta(days=8))

    def ids(query: str) -> list[str]:
        answer = shop.get(f"/api/v1/orders/?{query}")
        assert answer.status_code == 200, answer.content
        return [row["order_id"] for row in answer.json()["results"]]

    assert ids("") == ["a0", "a1", "a2", "a3", "a4", "r", "b"]
    assert ids("user_id=ada&limit=2") == ["a0", "a1"]
    assert ids("user_id=nobody") == []
    assert ids("status=cancelled") == ["b"]
    assert ids("kind=return") == ["r"]
    since, until = quote((NOON - timedelta(days=3)).isoformat()), quote((NOON - timedelta(days=1)).isoformat())
    assert ids(f"placed_after={since}&placed_before={until}") == ["a2", "a3"]
    [error] = shop.get(f"/api/v1/orders/?placed_after={until}&placed_before={since}").json()["errors"]
    assert error["field"] == "placed_after"
    assert "is later than placed_before" in error["message"]
    with django_assert_max_num_queries(5):
        page = shop.get("/api/v1/orders/").json()
    assert page["results"][0]["user_id"] == "ada"
    assert page["results"][5]["user_id"] is None


def test_single_order_includes_its_lines(shop: Client) -> None:
    make_order(make_customer("ada"), order_id="#1/2", products=[make_product("tea"), make_product("cup")])
    answer = shop.get(f"/api/v1/orders/{quote('#1/2', safe='')}/")
    assert answer.status_code == 200
    assert [line["product_id"] for line in answer.json()["lines"]] == ["tea", "cup"]
    assert answer.json()["lines"][0]["total"] == "10.00"
    assert shop.get("/api/v1/orders/none/").status_code == 404


def test_order_id_of_two_sources_requires_the_source(shop: Client) -> None:
    make_order(None, order_id="A1", source=make_source("one"))
    make_order(None, order_id="A1", source=make_source("two"))
    answer = shop.get("/api/v1/orders/A1/")
    assert answer.status_code == 400
    assert "one, two" in answer.content.decode()
    assert shop.get("/api/v1/orders/A1/?source=two").json()["source"] == "two"


def test_orders_require_their_scope(client: Client) -> None:
    assert client.get("/api/v1/orders/").status_code in (401, 403)
    assert client.post("/api/v1/orders/", {}, content_type="application/json").status_code in (401, 403)


def test_day_is_the_utc_one_without_an_offset(shop: Client) -> None:
    post(shop, order(placed_at="2026-05-01 10:00"))
    assert Order.objects.get().placed_at == datetime(2026, 5, 1, 10, tzinfo=UTC)


def test_a_refund_above_the_total_is_rejected_but_capped_for_another_system(shop: Client) -> None:
    item = order("A1", refunded="5000.00", status="")
    rejected = post(shop, item)["results"][0]["errors"][0]
    assert (rejected["field"], rejected["code"]) == ("refunded", "refunded_too_large")
    result = upsert_orders(items=[item], source=make_source("shop-api"), at=NOON, currency="EUR")
    assert not result.results[0].problems
    stored = Order.objects.get(order_id="A1")
    assert (stored.refunded, stored.status) == (stored.total, "refunded")


def test_ids_that_are_whole_floats_lose_their_decimals(shop: Client) -> None:
    post(shop, order(1001.0, user_id=7.0))  # type: ignore[arg-type]
    stored = Order.objects.get()
    assert stored.order_id == "1001"
    assert Identifier.objects.get(customer=stored.customer, kind="user_id").value == "7"


@pytest.mark.parametrize("filters", [{"source": "new"}, {"status": "refunded"}, {"kind": "return"}])
def test_a_filter_with_few_results_does_not_read_all_orders(shop: Client, filters: dict[str, str]) -> None:
    large, new = make_source("large"), make_source("new")
    Order.objects.bulk_create(
        Order(source=large, order_id=f"L{number}", placed_at=NOON - timedelta(minutes=number), currency="EUR")
        for number in range(5000)
    )
    make_order(None, order_id="N1", source=new, status="refunded", kind="return", placed_at=NOON - timedelta(days=9))
    analyze("orders_order")
    with CaptureQueriesContext(connection) as queries:
        answer = shop.get("/api/v1/orders/", filters).json()
    assert [row["order_id"] for row in answer["results"]] == ["N1"]
    assert count_read_rows(queries, "orders_order") < 100


def test_an_unknown_source_has_no_orders(shop: Client) -> None:
    make_order(None, order_id="N1", source=make_source("new"))
    assert shop.get("/api/v1/orders/", {"source": "other"}).json()["results"] == []
    assert len(shop.get("/api/v1/orders/", {"source": ""}).json()["results"]) == 1
