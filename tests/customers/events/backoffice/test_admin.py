"""The back office's pages of this room."""

import re

import pytest
from django.test import Client

from customers.events.collector.event_store import record_events
from customers.events.models import Event, RejectedEvent, Source
from tests.customers.events.senders import item, make_keyed_source, rows, send, track
from tests.makers import make_source

pytestmark = pytest.mark.django_db


def shown_key(page: str) -> str:
    found = re.search(r'value="(wk_[^"]+)"', page)
    assert found, page
    return found.group(1)


def test_key_of_a_new_source_is_shown_once_and_works(admin_client: Client) -> None:
    fields = {"key": "web", "name": "Web shop", "kind": "browser", "enabled": "on", "retention_days": "730"}
    page = admin_client.post("/admin/events/source/add/", {**fields, "allowed_origins": ""})
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    key = shown_key(page.content.decode())
    assert send({"batch": [track()]}, key).status_code == 200
    source = Source.objects.get()
    assert key not in admin_client.get(f"/admin/events/source/{source.pk}/change/").content.decode()


def test_rotation_asks_for_the_overlap_and_shows_the_new_key(admin_client: Client) -> None:
    source, old = make_keyed_source()
    address = f"/admin/events/source/{source.pk}/rotate-key/"
    assert "wk_" not in admin_client.get(address).content.decode()
    assert "error" in admin_client.post(address, {"hours": "-1"}).content.decode()
    new = shown_key(admin_client.post(address, {"hours": "1"}).content.decode())
    assert [send({"batch": [track()]}, key).status_code for key in (old, new)] == [200, 200]


def test_lists_and_pages_open(admin_client: Client) -> None:
    source = make_source()
    record_events(rows=rows("m1", source_id=source.pk), rejected=[item('{"event": "<b>"}', source_id=source.pk)])
    event, rejected = Event.objects.get(), RejectedEvent.objects.get()
    for address in (
        "/admin/events/source/",
        "/admin/events/event/",
        "/admin/events/event/?q=u1",
        f"/admin/events/event/{event.pk}/change/",
        "/admin/events/rejectedevent/",
        f"/admin/events/rejectedevent/{rejected.pk}/change/",
    ):
        assert admin_client.get(address).status_code == 200, address
    page = admin_client.get(f"/admin/events/rejectedevent/{rejected.pk}/change/").content.decode()
    assert "&lt;b&gt;" in page
