"""The SDKs of Sensors Analytics (神策) for web pages and WeChat mini-programs work after a change of their server_url."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.events.models import Event, RejectedEvent
from customers.identity.models import Customer
from customers.processing.pipeline import process_events
from tests.clients.proxy import LoseResponse, Proxy, Refuse, RespondWith, run_proxy
from tests.clients.sdk_packages import install_node_packages
from tests.clients.sdks import require_chromium, run_program
from tests.clients.storefront import PageVisit, visit_page
from tests.customers.events.client import make_keyed_source
from tests.waiting import DEADLINE_SECONDS

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

PAGE = Path(__file__).with_name("sensors.html")
SCRIPTS = Path("node_modules", "sa-sdk-javascript")
VIEWED = {"product_id": "tea-1", "name": "龙井茶", "price": 68}
TRAITS = {"email": "mei.lin@example.org", "plan": "gold"}
WEB_CALLS = 6  # those below, the page, and the properties of the first visit, which the SDK sends by itself
CALLS = [
    {"call": "track", "event": "Product Viewed", "properties": VIEWED},
    {"call": "login", "userId": "u-17"},
    {"call": "profile", "traits": TRAITS},
    {"call": "track", "event": "Product Added", "properties": {**VIEWED, "quantity": 2}},
]


def wait_for_page(opened: PageVisit, proxy: Proxy, calls: int = WEB_CALLS) -> None:
    """Let the page run until its calls are accepted. The SDK aborts images early, so only the proxy sees their responses."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        opened.page.wait_for_timeout(50)
        stored = [exchange.content.get("accepted", 0) for exchange in proxy.exchanges]
        # a call that took longer than the SDK waits is accepted and sent again
        counts = [
            exchange.content.get("accepted", 0) * (exchange.status == 200) + exchange.content.get("duplicates", 0)
            for exchange in proxy.exchanges
        ]
        if min(sum(stored), sum(counts)) + proxy.stored_images >= calls:
            return
    pytest.fail(f"The collector accepted {counts} and {proxy.stored_images} images")


def check_events(source_id: int) -> None:
    """Check that each call is stored once, and that the visitor became the customer."""
    assert not RejectedEvent.objects.exists()
    events = Event.objects.filter(source_id=source_id)
    tracked = {event.name: event for event in events.filter(type="track")}
    assert {"Product Viewed", "Product Added"} <= set(tracked)
    assert events.filter(name="Product Viewed").count() == events.filter(name="Product Added").count() == 1
    viewed, added = tracked["Product Viewed"], tracked["Product Added"]
    assert (viewed.product_ids, viewed.user_id, bool(viewed.anonymous_id)) == (["tea-1"], "", True)
    assert (added.user_id, added.anonymous_id, added.properties["quantity"]) == ("u-17", viewed.anonymous_id, 2)
    assert all(abs(event.received_at - event.occurred_at) < timedelta(minutes=10) for event in events)
    process_events(at=datetime.now(UTC))
    customer = Customer.objects.get()
    assert (customer.email, customer.traits["plan"]) == (TRAITS["email"], "gold")
    identifiers = set(customer.identifiers.values_list("kind", "value"))
    assert {("user_id", "u-17"), ("anonymous_id", viewed.anonymous_id)} <= identifiers


def make_views(count: int) -> list[dict[str, Any]]:
    return [
        {"call": "track", "event": "Product Viewed", "properties": {"product_id": f"p-{number}"}}
        for number in range(count)
    ]


def check_views(source_id: int, count: int) -> None:
    """Check that each of the views is stored once."""
    views = Event.objects.filter(source_id=source_id, name="Product Viewed").values_list("product_ids", flat=True)
    assert sorted(views) == sorted([f"p-{number}"] for number in range(count))
    assert not RejectedEvent.objects.exists()


def send_from_mini_program(host: str, key: str, calls: list[dict[str, Any]] = CALLS) -> Any:
    task = {"calls": calls, "host": host, "writeKey": key}
    return run_program(["node", "sensors-miniprogram.cjs"], task, cwd=install_node_packages())


def test_a_mini_program_sends_each_event_once_although_a_response_is_lost(
    server: str, settings: Any, tmp_path: Path
) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    source, key = make_keyed_source()
    with run_proxy(server, Refuse(), LoseResponse()) as proxy:  # killed before and after the commit
        report = send_from_mini_program(proxy.url, key)
        assert proxy.statuses[:2] == [None, None]
        assert proxy.exchanges[2].content["duplicates"] > 0
    assert set(report.delivered) == {"200"}
    check_events(source.pk)


@pytest.mark.parametrize(
    ("send_type", "batches"), [("image", False), ("ajax", False), ("beacon", False), ("ajax", True)]
)
def test_a_web_page_sends_each_event_once(
    send_type: str, batches: bool, server: str, settings: Any, tmp_path: Path
) -> None:
    require_chromium()
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    source, key = make_keyed_source()
    faults = (RespondWith(503), RespondWith(429), Refuse(), LoseResponse()) if batches else ()
    with run_proxy(server, *faults) as proxy:
        task: dict[str, Any] = {"calls": [*CALLS, {"call": "page"}], "host": proxy.url, "writeKey": key}
        task |= {"sendType": send_type, "batches": batches}
        with visit_page(PAGE.read_text(), node_folder=install_node_packages(), scripts=SCRIPTS) as opened:
            opened.page.evaluate("task => drive(task)", task)
            wait_for_page(opened, proxy)
        if batches:
            assert proxy.statuses[:4] == [503, 429, None, None]
        else:
            assert opened.browser_errors == []
    check_events(source.pk)
    page = Event.objects.get(type="page")
    assert page.properties["url"].startswith(opened.shop)


def test_a_mini_program_sends_250_events_once(server: str) -> None:
    source, key = make_keyed_source()
    with run_proxy(server, Refuse()) as proxy:
        report = send_from_mini_program(proxy.url, key, make_views(250))
    assert set(report.delivered) == {"200"}
    check_views(source.pk, 250)


def test_a_mini_program_takes_an_error_as_a_success(server: str) -> None:
    """The SDK drops what a 503 answers; the documentation says so."""
    source, key = make_keyed_source()
    with run_proxy(server, RespondWith(503)) as proxy:
        report = send_from_mini_program(proxy.url, key, make_views(3))
        assert proxy.statuses[0] == 503
    assert report.delivered[0] == "503"
    assert Event.objects.filter(source=source, name="Product Viewed").count() < 3


def test_a_web_page_keeps_events_while_the_server_is_away_and_sends_them_from_the_next_page(server: str) -> None:
    require_chromium()
    source, key = make_keyed_source()
    with run_proxy(server, *[Refuse()] * 100) as proxy:
        task = {"calls": make_views(60), "host": proxy.url, "writeKey": key, "sendType": "ajax", "batches": True}
        with visit_page(PAGE.read_text(), node_folder=install_node_packages(), scripts=SCRIPTS) as opened:
            opened.page.evaluate("task => drive(task)", task)
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not proxy.exchanges and time.monotonic() < deadline:
                opened.page.wait_for_timeout(50)
            opened.page.reload()
            proxy.faults.clear()
            opened.page.evaluate("task => drive(task)", {**task, "calls": []})
            wait_for_page(opened, proxy, calls=60)
    check_views(source.pk, 60)
