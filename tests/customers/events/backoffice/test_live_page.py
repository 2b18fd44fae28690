"""The live event page and the rows that it polls."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.events.models import Event
from tests.customers.events.client import make_keyed_source, send, track
from tests.customers.events.makers import make_event
from tests.makers import make_source

pytestmark = pytest.mark.django_db
LIVE, ROWS, MINUTES = (reverse(f"admin:events_{name}") for name in ("live", "live_rows", "minutes"))


def fetch_rows(client: Client, **query: Any) -> list[dict[str, Any]]:
    response = client.get(ROWS, query)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    return response.json()["events"]


def fetch_first_rows(client: Client, **query: Any) -> list[dict[str, Any]]:
    text = client.get(LIVE, query).text
    data = text.partition('<script id="live-data" type="application/json">')[2].partition("</script>")[0]
    return json.loads(data)["events"]


def get_page_url(event: Event) -> str:
    return reverse("admin:events_event_change", args=[event.pk])


def test_posted_event_is_on_the_live_page_immediately(admin_client: Client) -> None:
    source, key = make_keyed_source("web")
    assert fetch_rows(admin_client) == []
    send({"batch": [track("Product Viewed", userId="anna", properties={"product_id": "tea", "value": 12.5})]}, key)
    [row] = fetch_rows(admin_client)
    assert (row["name"], row["type"], row["who"], row["source"]) == ("Product Viewed", "track", "anna", "web")
    assert (row["products"], row["value"], row["simulated"]) == ("tea", "12.50", False)
    assert row["url"] == get_page_url(Event.objects.get(source=source.pk))
    assert fetch_first_rows(admin_client) == [row]


def test_live_rows_can_be_filtered_and_continue_from_a_cursor(admin_client: Client) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    known = make_event(at=long_ago, name="Product Viewed")
    new = make_event(make_source("app", is_simulated=True), at=long_ago, name="Home", type="screen")
    assert [row["id"] for row in fetch_rows(admin_client)] == [new.pk, known.pk]
    assert [row["id"] for row in fetch_rows(admin_client, after=known.pk)] == [new.pk]
    assert [row["name"] for row in fetch_rows(admin_client, type="screen")] == ["Home"]
    assert [row["id"] for row in fetch_rows(admin_client, source=new.source_id)] == [new.pk]
    assert [row["simulated"] for row in fetch_first_rows(admin_client, name="home")] == [True]


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"after": "9" * 40}, {"source": "none"}, {"type": "%"}, {"who": "\0"}]
)
def test_live_rows_ignore_invalid_query_parameters(admin_client: Client, query: dict[str, str]) -> None:
    make_event()
    assert len(fetch_rows(admin_client, **query)) == 1
