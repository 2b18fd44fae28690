"""The settings that browser SDKs request before they send events."""

import pytest
from django.test import Client

from customers.events.sources.write_keys import clear_source_cache
from tests.customers.events.client import build_basic_auth, make_keyed_source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def test_segment_settings_send_events_only_to_this_host() -> None:
    _source, key = make_keyed_source()
    response = Client().get(f"/v1/projects/{key}/settings", headers={"Origin": "https://shop.example"})
    integrations = response.json()["integrations"]
    assert set(integrations) == {"Segment.io"}
    assert (integrations["Segment.io"]["apiKey"], integrations["Segment.io"]["apiHost"]) == (key, "testserver/v1")
    assert response.json()["metrics"] == {"sampleRate": 0}
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("method", ["basic", "query"])
def test_rudderstack_settings_contain_the_source(method: str) -> None:
    source, key = make_keyed_source()
    headers, query = (build_basic_auth(key), "") if method == "basic" else ({}, f"?writeKey={key}")
    response = Client().get(f"/sourceConfig/{query}", headers=headers)
    source_settings = response.json()["source"]
    assert (
        source_settings["id"],
        source_settings["writeKey"],
        source_settings["enabled"],
        source_settings["destinations"],
    ) == (source.key, key, True, [])


@pytest.mark.parametrize("path", ["/v1/projects/wk_unknown/settings", "/sourceConfig/?writeKey=wk_unknown"])
def test_settings_for_an_unknown_key_return_401(path: str) -> None:
    response = Client().get(path)
    assert (response.status_code, response.json()["code"]) == (401, "unknown_write_key")
    assert Client().post(path, {}).status_code == 405
