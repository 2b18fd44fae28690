"""Behavior of browsers only: they send an origin, can leave a page at any time, and can opt out of tracking."""

from typing import Any

import pytest

from customers.events.models import Event
from tests.clients.proxy import Proxy, run_proxy
from tests.clients.sdk_packages import install_node_packages
from tests.clients.sdks import STOREFRONT, require_chromium
from tests.clients.storefront import visit_page
from tests.customers.events.client import make_keyed_source
from tests.ports import reserve_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

VIEW = {"call": "track", "event": "Product Viewed", "properties": {"product_id": "lamp-1"}}
IDENTIFY = {"call": "identify", "userId": "u-17", "traits": {"email": "mei.lin@example.org", "plan": "gold"}}


@pytest.fixture(autouse=True)
def _require_chromium() -> None:
    require_chromium()


def open_shop(**options: Any) -> Any:
    return visit_page(STOREFRONT.read_text(), node_folder=install_node_packages(), **options)


def make_task(server: str, key: str, *calls: dict[str, Any], batches: bool = False) -> dict[str, Any]:
    return {"calls": calls, "host": server, "writeKey": key, "batches": batches}


def list_received(proxy: Proxy) -> set[str]:
    return {message_id for exchange in tuple(proxy.exchanges) for message_id in exchange.message_ids}


def test_only_allowed_origins_may_send_events(server: str) -> None:
    port = reserve_port()
    source, key = make_keyed_source(allowed_origins=[f"http://127.0.0.1:{port}"])
    with open_shop() as other_shop:
        report = other_shop.page.evaluate("task => drive(task)", make_task(server, key, VIEW))
    assert "origin_not_allowed" in report["errors"][0]
    with open_shop(port=port) as shop:
        report = shop.page.evaluate("task => drive(task)", make_task(server, key, VIEW))
        shop.wait_for(set(report["made"]))
    assert (report["errors"], shop.browser_errors) == ([], [])
    assert [event.message_id for event in Event.objects.filter(source=source)] == report["made"]


def test_events_of_a_visitor_who_leaves_at_once_are_stored(server: str) -> None:
    source, key = make_keyed_source()
    with run_proxy(server) as proxy, open_shop() as shop:
        task = make_task(proxy.url, key, VIEW, IDENTIFY, batches=True)
        report = shop.page.evaluate("task => drive(task)", task)["made"]
        assert proxy.exchanges == []
        shop.page.goto("about:blank")
        wait_until(lambda: list_received(proxy) >= set(report), what="the last calls of the closed page")
    stored = Event.objects.filter(source=source).values_list("message_id", flat=True)
    assert sorted(stored) == sorted(report)


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_events_of_a_visitor_who_opted_out_carry_no_ids(server: str, header: str) -> None:
    source, key = make_keyed_source()
    with open_shop(headers={header: "1"}) as shop:
        report = shop.page.evaluate("task => drive(task)", make_task(server, key, IDENTIFY, VIEW))
        shop.wait_for(set(report["made"]))
    assert report["errors"] == []
    events = list(Event.objects.filter(source=source))
    assert len(events) == 2
    assert {(event.user_id, event.anonymous_id, event.session_id) for event in events} == {("", "", "")}
    assert all("$personal" not in event.properties for event in events)
