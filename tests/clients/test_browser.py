"""What only a browser does: it has an origin, is left in the middle of everything, and may ask not to be tracked."""

from typing import Any

import pytest

from config.embedded.server_process import free_port
from customers.events.models import Event
from tests.clients.installing import install_node_packages
from tests.clients.proxy import proxy_to
from tests.clients.sdks import STOREFRONT, need_chromium
from tests.clients.storefront import visit
from tests.customers.events.senders import make_keyed_source
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

VIEW = {"call": "track", "event": "Product Viewed", "properties": {"product_id": "lamp-1"}}
IDENTIFY = {"call": "identify", "userId": "u-17", "traits": {"email": "mei.lin@example.org", "plan": "gold"}}


@pytest.fixture(autouse=True)
def _chromium_is_there() -> None:
    need_chromium()


def shop(**options: Any) -> Any:
    return visit(STOREFRONT.read_text(), node_folder=install_node_packages(), **options)


def task_of(server: str, key: str, *calls: dict[str, Any], batches: bool = False) -> dict[str, Any]:
    return {"calls": calls, "host": server, "writeKey": key, "batches": batches}


def test_only_the_sources_own_origin_is_heard(server: str) -> None:
    port = free_port()
    source, key = make_keyed_source(allowed_origins=[f"http://127.0.0.1:{port}"])
    with shop() as another:
        refused = another.page.evaluate("task => drive(task)", task_of(server, key, VIEW))
    assert "origin_not_allowed" in refused["errors"][0]
    with shop(port=port) as own:
        heard = own.page.evaluate("task => drive(task)", task_of(server, key, VIEW))
        own.wait_for(set(heard["made"]))
    assert (heard["errors"], own.complaints) == ([], [])
    assert [event.message_id for event in Event.objects.filter(source=source)] == heard["made"]


def test_visitor_who_leaves_at_once_is_heard(server: str) -> None:
    source, key = make_keyed_source()
    with proxy_to(server) as proxy, shop() as opened:
        task = task_of(proxy.url, key, VIEW, IDENTIFY, batches=True)
        made = opened.page.evaluate("task => drive(task)", task)["made"]
        assert proxy.exchanges == []
        opened.page.goto("about:blank")
        wait_until(lambda: proxy.exchanges, within=10, what="the last call of a page that was left")
    stored = Event.objects.filter(source=source).values_list("message_id", flat=True)
    assert sorted(stored) == sorted(made)


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_visitor_who_opted_out_is_counted_without_a_person(server: str, header: str) -> None:
    source, key = make_keyed_source()
    with shop(headers={header: "1"}) as opened:
        made = opened.page.evaluate("task => drive(task)", task_of(server, key, IDENTIFY, VIEW))
        opened.wait_for(set(made["made"]))
    assert made["errors"] == []
    events = list(Event.objects.filter(source=source))
    assert len(events) == 2
    assert {(event.user_id, event.anonymous_id, event.session_id) for event in events} == {("", "", "")}
    assert all("$personal" not in event.properties for event in events)
