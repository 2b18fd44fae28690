"""Segment's Python SDK against a live server."""

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from segment.analytics.client import Client
from segment.analytics.request import APIError, post

from customers.events.models import Event, Outbox
from customers.events.sources.write_keys import clear_source_cache
from customers.identity.personal_data.personal_traits import unseal_personal
from tests.customers.events.client import make_keyed_source
from tests.waiting import DEADLINE_SECONDS

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def make_client(live_server: Any, key: str, failures: list[Any], *, gzip: bool = False) -> Client:
    return Client(
        key,
        host=live_server.url,
        gzip=gzip,
        max_retries=0,
        timeout=DEADLINE_SECONDS,
        on_error=lambda error, batch: failures.append((error, batch)),
        sync_mode=False,
    )


@pytest.mark.parametrize("gzip", [False, True])
def test_segment_sdk_delivers_every_call_type(live_server: Any, gzip: bool) -> None:
    source, key = make_keyed_source(kind="server")
    failures: list[Any] = []
    client = make_client(live_server, key, failures, gzip=gzip)
    client.identify("u1", traits={"email": "a@example.org", "plan": "gold"})
    client.track("u1", "Product Viewed", {"product_id": "p1", "price": 12.5})
    client.page("u1", "Shop", "Home", {"url": "https://shop.example/"})
    client.screen("u1", "Shop", "Start", {})
    client.group("u1", "club", {"size": 7})
    client.alias("a1", "u1")
    client.track(anonymous_id="a1", event="Lamp Rubbed", timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    client.shutdown()
    assert failures == []
    events = {(event.type, event.name): event for event in Event.objects.filter(source=source)}
    assert set(events) == {
        ("identify", ""),
        ("track", "Product Viewed"),
        ("page", "Home"),
        ("screen", "Start"),
        ("group", "club"),
        ("alias", ""),
        ("track", "Lamp Rubbed"),
    }
    traits = events["identify", ""].properties
    assert (traits.pop("plan"), unseal_personal(traits.pop("$personal"))) == ("gold", {"email": "a@example.org"})
    assert traits == {}
    assert events["track", "Product Viewed"].product_ids == ["p1"]
    assert events["alias", ""].properties == {"previousId": "a1"}
    assert (
        abs(events["track", "Lamp Rubbed"].occurred_at - datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)).total_seconds()
        < 600
    )
    assert Outbox.objects.count() == 7


def test_segment_sdk_receives_an_error_for_an_unknown_key(live_server: Any) -> None:
    failures: list[Any] = []
    client = make_client(live_server, "wk_unknown", failures)
    client.track("u1", "Lamp Rubbed")
    client.shutdown()
    [(error, batch)] = failures
    assert isinstance(error, APIError)
    assert error.status == 401
    assert len(batch) == 1


def test_concurrent_retries_of_the_sdk_are_stored_once(live_server: Any) -> None:
    _source, key = make_keyed_source()
    now = datetime.now(UTC).isoformat()
    batch = [
        {"type": "track", "event": "e", "userId": "u", "messageId": str(uuid.uuid4()), "timestamp": now}
        for _number in range(100)
    ]
    threads = [
        threading.Thread(target=post, args=(key, live_server.url), kwargs={"batch": batch, "timeout": DEADLINE_SECONDS})
        for _time in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Event.objects.count() == 100


def test_keep_alive_connection_survives_a_rejected_body(live_server: Any) -> None:
    _source, key = make_keyed_source()
    with requests.Session() as session:
        assert session.post(f"{live_server.url}/v1/batch", data=b"x" * 600_000, auth=(key, "")).status_code == 413
        response = session.post(f"{live_server.url}/v1/track", data='{"event": "e", "userId": "u"}', auth=(key, ""))
    assert response.json()["accepted"] == 1
