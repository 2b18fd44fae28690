"""What is simulated holds together: baskets are seen, added and checked out in time; people are anonymous before they are known."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.clickstream.items import build_items
from config.clickstream.sessions import plan_history
from config.clickstream.shop import NoOrdersError, read_shop
from customers.events.collector.ingest import parse_items
from customers.events.collector.parsing import RequestContext
from customers.orders.models import Order
from tests.config.clicks.making import DAYS, HOUSEHOLDS, make_shop
from tests.makers import NOON, make_customer, make_order, make_product, make_source

pytestmark = pytest.mark.django_db


def simulate(*, days: int = DAYS, households: int = HOUSEHOLDS, seed: int = 1) -> list[dict[str, Any]]:
    shop = read_shop(days=days, households=households, seed=seed)
    return [json.loads(item) for found in build_items(shop, plan_history(shop, seed=seed)) for item in found]


@pytest.fixture
def orders() -> list[Order]:
    return make_shop()


def visits_of(items: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    visits = defaultdict(list)
    for item in items:
        visits[item["context"]["sessionId"]].append(item)
    return visits


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item.get("event") or item.get("name") or item["type"] for item in items]


def test_every_item_is_taken_by_the_collector(orders: list[Order]) -> None:
    items = [json.dumps(item).encode() for item in simulate()]
    rows, refusals = parse_items(enumerate(items), RequestContext(1, datetime.now(UTC)))
    assert refusals == []
    assert len(rows) == len(items) > 500
    assert len({row.stored.message_id for row in rows}) == len(rows)
    assert all(row.stored.session_id for row in rows)


def test_everything_is_marked_and_nothing_is_an_order(orders: list[Order]) -> None:
    items = simulate()
    assert all(item["context"]["simulated"] is True for item in items)
    assert not {name for name in names(items) if name.startswith("Order ") and name != "Order Confirmation"}
    assert {item["type"] for item in items if "Order Confirmation" in names([item])} <= {"page", "screen"}


def test_each_basket_is_put_together_and_confirmed_when_it_was_bought(orders: list[Order]) -> None:
    confirmed = {}
    for visit in visits_of(simulate()).values():
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


def test_visits_start_somewhere_and_many_end_in_nothing(orders: list[Order]) -> None:
    visits = list(visits_of(simulate()).values())
    assert all(names(visit)[0] in ("Home", "Email Link Clicked") for visit in visits)
    for visit in visits:
        moments = [item["timestamp"] for item in visit]
        assert moments == sorted(moments)
    bought = [visit for visit in visits if names(visit)[-1] == "Order Confirmation"]
    assert 0.3 < len(bought) / len(visits) < 0.9
    steps = Counter(names([item for visit in visits for item in visit]))
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


def test_products_that_were_not_bought_are_of_the_same_category(orders: list[Order]) -> None:
    bought = {order.order_id: {line.product.category.path for line in order.lines.all()} for order in orders}  # type: ignore[union-attr]
    others = 0
    for visit in visits_of(simulate()).values():
        if visit[-1].get("name") == "Order Confirmation":
            paths = bought[visit[-1]["properties"]["order_id"]]
            seen = {
                item["properties"]["product_id"]: item["properties"]["category"]
                for item in visit
                if item.get("event") == "Product Viewed"
            }
            assert set(seen.values()) <= paths
            others += len(seen)
    assert others > 0


def test_people_are_anonymous_before_they_are_known_on_several_devices(orders: list[Order]) -> None:
    items = simulate()
    by_visitor = defaultdict(list)
    for item in items:
        by_visitor[item["anonymousId"]].append(item.get("userId"))
    devices: dict[str, set[str]] = defaultdict(set)
    turned = 0
    for visitor, users in by_visitor.items():
        known = {user for user in users if user}
        assert len(known) <= 1  # a device belongs to one household
        for user in known:
            devices[user].add(visitor)
        turned += users[0] is None and bool(known)
    assert turned >= HOUSEHOLDS  # merges come of these
    assert len(devices) == HOUSEHOLDS
    assert max(map(len, devices.values())) > 1
    assert any(not any(users) for users in by_visitor.values())  # strangers stay strangers


def test_a_sign_in_comes_before_the_user_id_within_a_visit(orders: list[Order]) -> None:
    for visit in visits_of(simulate()).values():
        users = ["userId" in item for item in visit]
        if users[0]:
            assert all(users)
            assert "identify" not in names(visit)
        elif any(users):
            assert visit[users.index(True)]["type"] == "identify"
            assert all(users[users.index(True) :])


def test_apps_send_screens_and_a_device(orders: list[Order]) -> None:
    for visit in visits_of(simulate()).values():
        kinds = {item["type"] for item in visit}
        assert not {"page", "screen"} <= kinds
        assert ("screen" in kinds) == ("device" in visit[0]["context"])


def test_nothing_lies_outside_the_days(orders: list[Order]) -> None:
    moments = [item["timestamp"] for item in simulate(days=6)]
    assert moments == sorted(moments)
    assert datetime.fromisoformat(moments[-1]) <= NOON
    assert (NOON - datetime.fromisoformat(moments[0])).days <= 6


def test_same_seed_same_items_another_seed_others(orders: list[Order]) -> None:
    assert simulate(seed=1) == simulate(seed=1)
    assert not {item["messageId"] for item in simulate(seed=1)} & {item["messageId"] for item in simulate(seed=2)}


def test_more_days_and_households_add_visits_and_change_none(orders: list[Order]) -> None:
    few, many = simulate(days=6, households=5), simulate(days=DAYS, households=HOUSEHOLDS)
    by_id = {item["messageId"]: item for item in many}
    strangers = 0
    for item in few:
        wider = by_id.get(item["messageId"])
        assert wider is not None or item["type"] == "identify"  # who is known since longer need not sign in
        if wider is not None:
            same = ("event", "name", "anonymousId", "timestamp")
            assert [item.get(key) for key in same] == [wider.get(key) for key in same]
            strangers += 1
    assert strangers > 100


def test_the_number_of_queries_does_not_grow(orders: list[Order]) -> None:
    with CaptureQueriesContext(
        connection,
    ) as few:
        simulate(households=2)
    with CaptureQueriesContext(connection) as many:
        simulate()
    assert len(few) == len(many) == 5


def test_orders_without_lines_or_category_or_price_are_no_matter() -> None:
    product = make_product("plain", price=None, currency="")
    make_order(make_customer("u1"), products=[], order_id="empty")
    make_order(make_customer("u2"), products=[product], order_id="plain")
    make_order(None, products=[product], order_id="guest")
    items = simulate()
    assert {item["userId"] for item in items if "userId" in item} == {"u1", "u2"}
    assert all("price" not in item.get("properties", {}) for item in items)


def test_returns_and_simulated_sources_are_no_baskets() -> None:
    product = make_product()
    make_order(make_customer("u1"), products=[product], kind=Order.Kind.RETURN)
    make_order(make_customer("u2"), products=[product], source=make_source("pretend", is_simulated=True))
    with pytest.raises(NoOrdersError, match="There are no orders"):
        simulate()
    make_order(None, products=[product])
    with pytest.raises(NoOrdersError, match="No customer with a user id bought anything"):
        simulate()


def test_attractive_products_are_picked_more_often(orders: list[Order]) -> None:
    catalogue = read_shop(days=DAYS, households=1, seed=1).catalogue
    low, high = np.zeros(50_000, dtype=np.int64), np.full(50_000, 10)
    picked = np.bincount(catalogue.pick(low, high, np.linspace(0, 1, 50_000, endpoint=False)), minlength=10)
    weights = np.diff(np.concatenate([[0.0], catalogue.pull]))[:10]
    assert len(picked) == 10
    assert np.abs(picked / 50_000 - weights / weights.sum()).max() < 0.001
