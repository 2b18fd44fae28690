"""Behavior of automated visitors is counted apart, and what a person orders through one is stored."""

from typing import Any

import pytest
from django.db.models import Sum

from customers.events.models import AgentActivity, Event, EventReceipt, Outbox
from customers.events.recent.interactions import read_recent_interactions
from customers.events.sources.write_keys import clear_source_cache
from tests.customers.events.client import make_keyed_source, send, track
from tests.makers import make_product

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
AGENT = {"User-Agent": "Mozilla/5.0 AppleWebKit/537.36; compatible; ChatGPT-User/1.0; +https://openai.com/bot"}
BROWSER = {"kind": "browser", "requires_user_token": False}


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def list_counts() -> dict[tuple[str, str, str], int]:
    rows = AgentActivity.objects.values_list("agent", "action").annotate(total=Sum("events"))
    products = {(agent, action): "" for agent, action, _total in rows}
    for agent, action, product in AgentActivity.objects.exclude(product_id="").values_list(
        "agent", "action", "product_id"
    ):
        products[agent, action] = product
    return {(agent, action, products[agent, action]): total for agent, action, total in rows}


def test_events_of_an_agent_are_only_counted_and_once() -> None:
    _source, key = make_keyed_source(**BROWSER)
    make_product("p1")
    batch: dict[str, Any] = {
        "batch": [
            track("Product Viewed", messageId="m1", anonymousId="a1", userId=None, properties={"product_id": "p1"}),
            track(
                "Product Viewed", messageId="m2", anonymousId="a1", userId=None, properties={"product_id": "made-up"}
            ),
            track("Products Searched", messageId="m3", anonymousId="a1", userId=None, properties={"query": "shoes"}),
            {"type": "page", "messageId": "m4", "anonymousId": "a1", "context": {"page": {"path": "/a?email=x@y.at"}}},
            {"type": "identify", "messageId": "m5", "anonymousId": "a1", "traits": {"plan": "x"}},
        ]
    }
    for duplicates in (0, 5):
        response = send(batch, key, **AGENT)
        assert (response.status_code, response.json()["accepted"]) == (200, 5 - duplicates), response.json()
        assert response.json()["duplicates"] == duplicates
    assert (Event.objects.count(), Outbox.objects.count(), EventReceipt.objects.count()) == (0, 0, 5)
    assert list_counts() == {
        ("chatgpt-user", "view", "p1"): 2,
        ("chatgpt-user", "search", ""): 1,
        ("chatgpt-user", "page", ""): 1,
        ("chatgpt-user", "other", ""): 1,
    }
    assert AgentActivity.objects.get(action="page").page == "/a"
    assert list(read_recent_interactions(identifiers=[("anonymous_id", "a1")])) == []


def test_order_that_a_person_places_through_an_agent_is_stored_with_the_mark() -> None:
    _source, key = make_keyed_source()
    context = {"userAgent": AGENT["User-Agent"], "agent": {"key": "forged"}}
    order = track("Order Completed", messageId="o1", properties={"order_id": "1", "product_id": "p1"}, context=context)
    view = track("Product Viewed", messageId="v1", properties={"product_id": "p1"}, context=context)
    assert send({"batch": [order, view]}, key).json()["accepted"] == 2
    event = Event.objects.get()
    assert (event.name, event.context["agent"]) == (
        "Order Completed",
        {"key": "chatgpt-user", "evidence": "user_agent"},
    )
    assert list_counts() == {("chatgpt-user", "order", ""): 1, ("chatgpt-user", "view", ""): 1}
    assert [each.kind for each in read_recent_interactions(identifiers=[("user_id", "u1")])] == ["purchase"]


def test_headers_of_a_server_source_and_visits_from_an_assistant_say_nothing_of_agents() -> None:
    _source, server = make_keyed_source()
    _source, browser = make_keyed_source("shop", **BROWSER)
    send(track("Product Viewed", context={"userAgent": "Mozilla/5.0 Safari"}), server, "/v1/track", **AGENT)
    campaign = {"campaign": {"source": "chatgpt.com"}, "page": {"referrer": "https://chatgpt.com/"}}
    send(track("Product Viewed", anonymousId="a2", context=campaign), browser, "/v1/track", **{"User-Agent": "Safari"})
    assert Event.objects.count() == 2
    assert not AgentActivity.objects.exists()
