"""Simulated visits are consistent: products are viewed, added and checked out in order; visitors log in after browsing."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.clickstream.items import build_items, build_query
from config.clickstream.sessions import plan_history
from config.clickstream.shop import NoOrdersError, read_latest_orders, read_shop
from customers.events.collector.ingest import parse_items
from customers.events.collector.parsing import RequestContext
from customers.orders.models import Order
from tests.config.clickstream.small_shop import DAYS, HOUSEHOLDS, make_shop
from tests.makers import NOON, make_customer, make_order, make_product, make_source

pytestmark = pytest.mark.django_db


def simulate(*, days: int = DAYS, households: int = HOUSEHOLDS, seed: int = 1) -> list[dict[str, Any]]:
    shop = read_shop(days=days, households=households, seed=seed)
    return [json.loads(item) for batch in build_items(shop, plan_history(shop, seed=seed)) for item in batch]


@pytest.fixture
def orders() -> list[Order]:
    return make_shop()


def group_by_visit(items: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    visits = defaultdict(list)
    for item in items:
        visits[item["context"]["sessionId"]].append(item)
    return visits


def list_names(items: list[dict[str, Any]]) -> list[str]:
    return [item.get("event") or item.get("name") or item["type"] for item in items]


def test_the_collector_accepts_every_item(orders: list[Order]) -> None:
    items = [json.dumps(item).encode() for item in simulate()]
    rows, rejected = parse_items(enumerate(items), RequestContext(1, datetime.now(UTC)))
    assert rejected == []
    assert len(rows) == len(items) > 500
    assert len({row.stored.message_id for row in rows}) == len(rows)
    assert all(row.stored.session_id for row in rows)


def test_every_item_is_marked_as_simulated_and_none_is_an_order(orders: list[Order]) -> None:
    items = simulate()
    assert all(item["context"]["simulated"] is True for item in items)
    assert not {name for name in list_names(items) if name.startswith("Order ") and name != "Order Confirmation"}
    assert {item["type"] for item in items if "Order Confirmation" in list_names([item])} <= {"page", "screen"}


def test_each_order_has_a_visit_that_fills_its_basket_and_confirms_it(orders: list[Order]) -> None:
    confirmed = {}
    for visit in group_by_visit(simulate()).values():
        if (last := visit[-1]).get("name") == "Order Confirmation":
            confirmed[last["properties"]["order_id"]] = visit
    assert set(confirmed) == {order.order_id for order in orders}
    for order in orders:
        visit = confirmed[order.order_id]
        assert abs(datetime.fromisoformat(visit[-1]["timestamp"]) - order.placed_at).total_seconds() < 0.01
        contents: Counter[str] = Counter()
        for item in visit:
            if item.get("event") in ("Product Added", "Product Removed"):
                sign = 1 if item["event"] == "Product Added" else -1
                contents[item["properties"]["product_id"]] += sign * item["properties"]["quantity"]
        assert +contents == Counter({line.product.product_id: 2 for line in order.lines.select_related("product")})
        assert all(count >= 0 for count in contents.values())
        [checkout] = [item for item in visit if item.get("event") == "Checkout Started"]
        assert checkout["properties"]["value"] == float(order.total)
        assert visit[-1]["userId"] == f"household-{order.order_id.split('-')[1]}"


def test_visits_start_on_an_entry_page_and_many_end_without_an_order(orders: list[Order]) -> None:
    visits = list(group_by_visit(simulate()).values())
    assert all(list_names(visit)[0] in ("Home", "Email Link Clicked") for visit in visits)
    for visit in visits:
        times = [item["timestamp"] for item in visit]
        assert times == sorted(times)
    purchases = [visit for visit in visits if list_names(visit)[-1] == "Order Confirmation"]
    assert 0.3 < len(purchases) / len(visits) < 0.9
    steps = Counter(list_names([item for visit in visits for item in visit]))
    assert (
        min(
            steps[step]
            for step in (
                "Product Viewed",
                "Product List Viewed",
                "Products Searched",
                "Product Added",
                "Product Removed",
                "Cart Viewed",
            )
        )
        > 0
    )
    assert steps["Product Viewed"] > len(orders)


def test_viewed_products_share_a_category_with_the_purchased_ones(orders: list[Order]) -> None:
    categories_by_order = {
        order.order_id: {line.product.category.path for line in order.lines.all()} for order in orders
    }  # type: ignore[union-attr]
    n_viewed = 0
    for visit in group_by_visit(simulate()).values():
        if visit[-1].get("name") == "Order Confirmation":
            paths = categories_by_order[visit[-1]["properties"]["order_id"]]
            viewed = {
                item["properties"]["product_id"]: item["properties"]["category"]
                for item in visit
                if item.get("event") == "Product Viewed"
            }
            assert set(viewed.values()) <= paths
            n_viewed += len(viewed)
    assert n_viewed > 0


def test_visitors_are_anonymous_until_they_log_in_on_each_device(orders: list[Order]) -> None:
    items = simulate()
    by_visitor = defaultdict(list)
    for item in items:
        by_visitor[item["anonymousId"]].append(item.get("userId"))
    devices: dict[str, set[str]] = defaultdict(set)
    identified = 0
    for visitor, users in by_visitor.items():
        user_ids = {user for user in users if user}
        assert len(user_ids) <= 1  # a device belongs to one household
        for user in user_ids:
            devices[user].add(visitor)
        identified += users[0] is None and bool(user_ids)
    assert identified >= HOUSEHOLDS  # these cause merges
    assert len(devices) == HOUSEHOLDS
    assert max(map(len, devices.values())) > 1
    assert any(not any(users) for users in by_visitor.values())  # some visitors never log in


def test_identify_precedes_the_user_id_within_a_visit(orders: list[Order]) -> None:
    for visit in group_by_visit(simulate()).values():
        users = ["userId" in item for item in visit]
        if users[0]:
            assert all(users)
            assert "identify" not in list_names(visit)
        elif any(users):
            assert visit[users.index(True)]["type"] == "identify"
            assert all(users[users.index(True) :])


def test_apps_send_screens_and_a_device_id(orders: list[Order]) -> None:
    for visit in group_by_visit(simulate()).values():
        types = {item["type"] for item in visit}
        assert not {"page", "screen"} <= types
        assert ("screen" in types) == ("device" in visit[0]["context"])


def test_all_items_are_within_the_period(orders: list[Order]) -> None:
    times = [item["timestamp"] for item in simulate(days=6)]
    assert times == sorted(times)
    assert datetime.fromisoformat(times[-1]) <= NOON
    assert (NOON - datetime.fromisoformat(times[0])).days <= 6


def test_the_seed_determines_the_items(orders: list[Order]) -> None:
    assert simulate(seed=1) == simulate(seed=1)
    assert not {item["messageId"] for item in simulate(seed=1)} & {item["messageId"] for item in simulate(seed=2)}


def test_more_days_and_households_add_visits_without_changing_any(orders: list[Order]) -> None:
    few, many = simulate(days=6, households=5), simulate(days=DAYS, households=HOUSEHOLDS)
    by_id = {item["messageId"]: item for item in many}
    n_matched = 0
    for item in few:
        counterpart = by_id.get(item["messageId"])
        assert (
            counterpart is not None or item["type"] == "identify"
        )  # a visitor who is already known does not log in again
        if counterpart is not None:
            compared_keys = ("event", "name", "anonymousId", "timestamp")
            assert [item.get(key) for key in compared_keys] == [counterpart.get(key) for key in compared_keys]
            n_matched += 1
    assert n_matched > 100


def test_the_number_of_queries_is_constant(orders: list[Order]) -> None:
    with CaptureQueriesContext(
        connection,
    ) as few:
        simulate(households=2)
    with CaptureQueriesContext(connection) as many:
        simulate()
    assert len(few) == len(many) == 5


def test_orders_without_lines_category_or_price_are_supported() -> None:
    product = make_product("plain", price=None, currency="")
    make_order(make_customer("u1"), products=[], order_id="empty")
    make_order(make_customer("u2"), products=[product], order_id="plain")
    make_order(None, products=[product], order_id="guest")
    items = simulate()
    assert {item["userId"] for item in items if "userId" in item} == {"u1", "u2"}
    assert all("price" not in item.get("properties", {}) for item in items)


def test_returns_and_simulated_orders_are_ignored() -> None:
    product = make_product()
    make_order(make_customer("u1"), products=[product], kind=Order.Kind.RETURN)
    make_order(make_customer("u2"), products=[product], source=make_source("pretend", is_simulated=True))
    with pytest.raises(NoOrdersError, match="There are no orders"):
        simulate()
    make_order(None, products=[product])
    with pytest.raises(NoOrdersError, match="No customer with a user id bought anything"):
        simulate()


def test_products_are_picked_in_proportion_to_their_attractiveness(orders: list[Order]) -> None:
    catalog = read_shop(days=DAYS, households=1, seed=1).catalog
    low, high = np.zeros(50_000, dtype=np.int64), np.full(50_000, 10)
    picked = np.bincount(catalog.pick_products(low, high, np.linspace(0, 1, 50_000, endpoint=False)), minlength=10)
    weights = np.diff(np.concatenate([[0.0], catalog.cumulative_weights]))[:10]
    assert len(picked) == 10
    assert np.abs(picked / 50_000 - weights / weights.sum()).max() < 0.001


def test_households_beyond_the_simulated_ones_get_the_visits_around_their_newest_order(orders: list[Order]) -> None:
    late = make_customer("household-late")
    make_order(late, placed_at=NOON - timedelta(days=200), products=[make_product("p40")], order_id="late", total=5)
    shop = read_shop(days=DAYS, households=4, seed=1)
    others = read_latest_orders(shop, seed=1)
    assert sorted(shop.households + others.households) == sorted(
        [*(f"household-{number}" for number in range(HOUSEHOLDS)), "household-late"]
    )
    items = [json.loads(item) for batch in build_items(others, plan_history(others, seed=1)) for item in batch]
    confirmed = [item for item in items if item.get("name") == "Order Confirmation"]
    newest = {f"order-{number}-0" for number in range(HOUSEHOLDS)} | {"late"}
    assert {item["properties"]["order_id"] for item in confirmed} <= newest
    assert len(confirmed) == len(others.households) == HOUSEHOLDS - 4 + 1
    assert all(item["context"]["simulated"] is True for item in items)


def test_what_visitors_search_for_is_a_product_in_their_language() -> None:
    assert build_query("Yogurt, 6 oz, Alder & Frost") == "yogurt"
    assert build_query("酸奶 单杯 170克 春河惠") == "酸奶"
