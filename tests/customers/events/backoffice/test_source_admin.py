"""The list and the form of sources."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from customers.events.models import Source
from tests.customers.events.client import make_keyed_source
from tests.customers.events.makers import make_event, make_rejected_event
from tests.makers import make_source

pytestmark = pytest.mark.django_db
SOURCES, EVENTS, REJECTED_EVENTS = (
    reverse(f"admin:events_{name}_changelist") for name in ("source", "event", "rejectedevent")
)


def test_source_list_shows_activity_and_marks_simulated_sources(admin_client: Client) -> None:
    now = datetime.now(UTC)
    web, simulated = make_source("web"), make_source("made", is_simulated=True)
    make_event(web, at=now - timedelta(hours=3))
    make_event(web, at=now - timedelta(days=2))
    make_rejected_event(source=simulated, at=now)
    text = admin_client.get(SOURCES).text
    sources = {source.key: source.activity for source in admin_client.get(SOURCES).context["cl"].result_list}
    assert (sources["web"].events, sources["made"].events, sources["made"].rejected) == (1, 0, 1)
    assert "3 hours ago" in text.replace("\xa0", " ")
    assert "simulated" in text


def fetch_source_page(client: Client, source: Source) -> str:
    return client.get(reverse("admin:events_source_change", args=[source.pk])).text


def test_source_without_events_shows_next_steps(admin_client: Client) -> None:
    source, _key = make_keyed_source(kind=Source.Kind.SERVER)
    text = fetch_source_page(admin_client, source)
    assert "Next steps" in text
    assert all(f'id="snippet-{language}"' in text for language in ("browser", "node", "python", "curl"))
    assert "http://testserver/v1/track -u YOUR_WRITE_KEY:" in text
    assert source.write_key_hint in text
    make_event(source, at=datetime.now(UTC))
    assert "Next steps" not in fetch_source_page(admin_client, source)


def test_origins_are_normalized_as_browsers_send_them(admin_client: Client) -> None:
    address = reverse("admin:events_source_add")
    fields = {"key": "web", "name": "Web", "kind": "browser", "enabled": "on", "retention_days": "730"}
    response = admin_client.post(address, {**fields, "allowed_origins": "shop.example"})
    assert "“shop.example” is not a valid origin" in response.text
    admin_client.post(address, {**fields, "allowed_origins": "https://Shop.example/, https://shop.example"})
    assert Source.objects.get().allowed_origins == ["https://shop.example"]
