"""The pages that show a write key: after creating a source and after a rotation."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from customers.events.models import Source
from tests.customers.events.client import make_keyed_source, send, track

pytestmark = pytest.mark.django_db


def test_key_page_shows_snippets_with_the_key(admin_client: Client) -> None:
    fields = {"key": "web", "name": "Web", "kind": "browser", "enabled": "on", "retention_days": "730"}
    page = admin_client.post(reverse("admin:events_source_add"), {**fields, "allowed_origins": ""})
    key = page.context["plain_key"]
    assert f"http://testserver/v1/track -u {key}:" in page.text
    assert page.text.index("snippet-browser") < page.text.index("snippet-node")
    rotated = admin_client.post(reverse("admin:events_source_rotate", args=[Source.objects.get().pk]), {"hours": "1"})
    assert rotated.context["plain_key"] in rotated.context["snippets"][0].code


def read_key(page: str) -> str:
    match = re.search(r'value="(wk_[^"]+)"', page)
    assert match, page
    return match.group(1)


def test_key_of_a_new_source_is_shown_once_and_works(admin_client: Client) -> None:
    fields = {"key": "web", "name": "Web shop", "kind": "browser", "enabled": "on", "retention_days": "730"}
    page = admin_client.post("/admin/events/source/add/", {**fields, "allowed_origins": ""})
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    key = read_key(page.content.decode())
    assert send({"batch": [track()]}, key).status_code == 200
    source = Source.objects.get()
    assert key not in admin_client.get(f"/admin/events/source/{source.pk}/change/").content.decode()


def test_rotation_requires_an_overlap_and_shows_the_new_key(admin_client: Client) -> None:
    source, old = make_keyed_source()
    address = f"/admin/events/source/{source.pk}/rotate-key/"
    assert "wk_" not in admin_client.get(address).content.decode()
    assert "error" in admin_client.post(address, {"hours": "-1"}).content.decode()
    new = read_key(admin_client.post(address, {"hours": "1"}).content.decode())
    assert [send({"batch": [track()]}, key).status_code for key in (old, new)] == [200, 200]
