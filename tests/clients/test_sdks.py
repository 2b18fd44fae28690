"""Every SDK works with the real server: calls are understood, retried and counted once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from catalog.upsert import upsert_products
from customers.events.models import Event, Outbox, RejectedEvent, Source
from customers.identity.models import Customer
from customers.identity.personal_data.hashing import hash_email
from customers.identity.personal_data.personal_traits import unseal_personal
from customers.orders.models import Order
from customers.processing.pipeline import process_events
from tests.clients.proxy import LoseResponse, Proxy, RespondWith, run_proxy
from tests.clients.sdks import SDKS, Call, Sdk, SdkReport
from tests.customers.events.client import make_keyed_source
from tests.makers import make_product
from tests.recommendations.flows.makers import list_messages, make_live_flow, make_template, message, run

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

PERSONAL = {"email": "mei.lin@example.org", "phone": "+43 660 5550199", "firstName": "Meilinda"}
PRODUCTS = [
    {"product_id": "lamp-1", "name": "Lamp", "price": 30.0, "quantity": 1, "category": "Home"},
    {"product_id": "tea-2", "name": "Tea", "price": 6.0, "quantity": 2, "category": "Drinks"},
]
ORDER = {"order_id": "o-1", "total": 45.5, "shipping": 3.5, "currency": "eur", "products": PRODUCTS}
VIEWED = {"product_id": "lamp-1", "name": "Lamp", "price": 30.0, "currency": "EUR"}
CALLS: list[Call] = [
    {"call": "page", "anonymousId": "a-17", "category": "Shop", "name": "Home", "properties": {"title": "Welcome"}},
    {"call": "track", "anonymousId": "a-17", "event": "Product Viewed", "properties": VIEWED},
    {"call": "identify", "userId": "u-17", "traits": {**PERSONAL, "plan": "gold"}},
    {"call": "alias", "previousId": "a-17", "userId": "u-17"},
    {"call": "group", "userId": "u-17", "groupId": "tea-club", "traits": {"employees": 7}},
    {"call": "screen", "userId": "u-17", "category": "App", "name": "Basket", "properties": {"items": 2}},
    {"call": "track", "userId": "u-17", "event": "Order Completed", "properties": ORDER},
]


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.name)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return request.param


def make_views(count: int) -> list[Call]:
    return [
        {"call": "track", "userId": "u-17", "event": "Product Viewed", "properties": {"product_id": f"p-{number}"}}
        for number in range(count)
    ]


def assert_each_stored_once(source: Source, report: SdkReport, calls: list[Call]) -> None:
    print(f"{report.sdk}: {len(report.delivered)} of {len(calls)} delivered, errors: {report.errors or 'none'}")
    assert report.errors == []
    assert len(report.delivered) == len(set(report.delivered)) == len(calls)
    stored = Counter(Event.objects.filter(source=source).values_list("message_id", flat=True))
    assert stored == Counter(report.delivered)
    assert not RejectedEvent.objects.exists()


def assert_personal_traits_are_sealed(identify: Event) -> None:
    assert identify.properties["plan"] == "gold"
    assert unseal_personal(identify.properties["$personal"]) == PERSONAL
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(row_to_json(event)::text, ' ') FROM events_event event")
        stored = cursor.fetchone()[0]
    assert [value for value in PERSONAL.values() if value in stored] == []


def test_every_type_of_call_is_stored_and_processed_correctly(
    sdk: Sdk, server: str, settings: Any, tmp_path: Path
) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    source, key = make_keyed_source()
    report = sdk.send(CALLS, host=server, write_key=key)
    assert_each_stored_once(source, report, CALLS)
    assert report.browser_errors == []
    assert_events_match_calls({(event.type, event.name): event for event in Event.objects.all()})
    assert_personal_traits_are_sealed(Event.objects.get(type="identify"))
    assert_one_customer_with_an_order()


def assert_events_match_calls(events: dict[tuple[str, str], Event]) -> None:
    for call in CALLS:
        event = events[call["call"], call.get("event") or call.get("groupId") or call.get("name", "")]
        assert event.user_id == call.get("userId", "")
        assert event.anonymous_id == call.get("anonymousId", event.anonymous_id)  # a browser always sends it
        assert call.get("properties", {}).items() <= event.properties.items()
        assert abs(event.received_at - event.occurred_at) < timedelta(minutes=10), (
            "less than the difference of any two time zones"
        )
    assert events["track", "Product Viewed"].product_ids == ["lamp-1"]
    assert events["page", "Home"].properties["category"] == "Shop"
    assert events["alias", ""].properties["previousId"] == "a-17"
    assert events["group", "tea-club"].properties["employees"] == 7
    order = events["track", "Order Completed"]
    assert (order.product_ids, order.value, order.currency) == (["lamp-1", "tea-2"], Decimal("45.50"), "EUR")


def assert_one_customer_with_an_order() -> None:
    processed = process_events(at=datetime.now(UTC))
    assert (processed.events, Outbox.objects.count()) == (len(CALLS), 0)
    customer = Customer.objects.get()
    assert (customer.email, customer.phone, customer.traits["plan"]) == (PERSONAL["email"], PERSONAL["phone"], "gold")
    identifiers = set(customer.identifiers.values_list("kind", "value"))
    assert {("user_id", "u-17"), ("anonymous_id", "a-17"), ("email_hash", hash_email(PERSONAL["email"]))} <= identifiers
    order = Order.objects.get(customer=customer)
    assert (order.order_id, order.total, order.currency) == ("o-1", Decimal("45.50"), "EUR")
    assert dict(order.lines.values_list("product__product_id", "quantity")) == {"lamp-1": 1, "tea-2": 2}


def test_250_events_are_sent_in_one_call(sdk: Sdk, server: str) -> None:
    source, key = make_keyed_source()
    calls = make_views(250)
    with run_proxy(server) as proxy:
        report = sdk.send(calls, host=proxy.url, write_key=key)
    assert_each_stored_once(source, report, calls)
    assert max(len(exchange.message_ids) for exchange in proxy.exchanges) == sdk.max_call_size
    assert set(proxy.statuses) == {200}
    products = Event.objects.filter(source=source).values_list("product_ids", flat=True)
    assert sorted(products) == sorted([f"p-{number}"] for number in range(250))


def test_rejected_calls_are_retried(sdk: Sdk, server: str) -> None:
    source, key = make_keyed_source()
    calls = make_views(3)
    with run_proxy(server, RespondWith(503), RespondWith(429, {"Retry-After": "1"})) as proxy:
        report = sdk.send(calls, host=proxy.url, write_key=key)
    assert_each_stored_once(source, report, calls)
    assert Counter(proxy.statuses) - Counter([200] * len(proxy.statuses)) == Counter([503, 429])
    if sdk.honors_retry_after:
        assert measure_retry_delay(429, proxy) >= 0.95


def measure_retry_delay(status: int, proxy: Proxy) -> float:
    """Return the seconds until the calls refused with this status were sent again."""
    in_time = sorted(proxy.exchanges, key=lambda exchange: exchange.at)
    rejected = next(exchange for exchange in in_time if exchange.status == status)
    retries = [exchange for exchange in in_time if set(exchange.message_ids) & set(rejected.message_ids)]
    return next(later.at - earlier.at for earlier, later in pairwise(retries) if earlier is rejected)


def test_a_lost_response_causes_a_retry_but_no_duplicate_event(sdk: Sdk, server: str) -> None:
    source, key = make_keyed_source()
    calls = make_views(3)
    with run_proxy(server, LoseResponse()) as proxy:
        report = sdk.send(calls, host=proxy.url, write_key=key)
    assert_each_stored_once(source, report, calls)
    [lost_exchange] = [exchange for exchange in proxy.exchanges if exchange.status is None]
    assert (lost_exchange.status, lost_exchange.content["accepted"], lost_exchange.content["duplicates"]) == (
        None,
        len(lost_exchange.message_ids),
        0,
    )
    retries = [
        exchange
        for exchange in proxy.exchanges
        if exchange is not lost_exchange and exchange.message_ids == lost_exchange.message_ids
    ]
    assert [exchange.content["duplicates"] for exchange in retries] == [len(lost_exchange.message_ids)]


def test_a_wrong_key_is_reported_as_an_error(sdk: Sdk, server: str) -> None:
    make_keyed_source()
    report = sdk.send(make_views(1), host=server, write_key="wk_unknown")
    assert report.errors != []
    assert report.delivered == []
    assert not Event.objects.exists()


def test_a_track_call_of_a_stock_sdk_starts_a_flow(server: str, settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    make_product("lamp-1", title="Lamp", price=Decimal("30.00"))
    make_template("hello")
    trigger = {
        "kind": "event",
        "event": "Product Viewed",
        "where": [{"property": "price", "op": "at_least", "value": 20}],
    }
    viewed = make_live_flow([message("hello")], now=datetime.now(UTC), name="Viewed", trigger=trigger)
    catalog = {"kind": "catalog", "change": "price_drop", "percent": 10, "interest": ["viewed"], "within_days": 30}
    cheaper = make_live_flow([message("hello")], now=datetime.now(UTC), name="Cheaper", trigger=catalog)
    _source, key = make_keyed_source()
    call = {"call": "track", "userId": "u-17", "event": "Product Viewed", "properties": VIEWED}
    assert SDKS[0].send([call], host=server, write_key=key).errors == []
    process_events(at=datetime.now(UTC))
    upsert_products(items=[{"product_id": "lamp-1", "price": "20.00"}], at=datetime.now(UTC), currency="EUR")
    run(datetime.now(UTC))
    customer = Customer.objects.get(identifiers__value="u-17")
    assert [customer_id for customer_id, _at in list_messages(viewed)] == [customer.pk]
    assert [entry.event["product"]["price"] for entry in cheaper.entries.all()] == ["20.00"]
