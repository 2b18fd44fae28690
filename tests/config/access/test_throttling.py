"""How many requests a minute, and what happens without Valkey."""

from typing import Any

import pytest

from config.access.throttling import KeyRateThrottle
from config.foundation.valkey import get_client
from tests.config.access.callers import bearer, caller, make_key

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/customers/"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, valkey: Any) -> Any:
    class Clock:
        seconds = 1_800_000_015.5

    monkeypatch.setattr(KeyRateThrottle, "now", staticmethod(lambda: Clock.seconds))
    return Clock


def test_limit_of_a_key_is_kept_and_the_next_minute_is_new(clock: Any) -> None:
    client = caller("customers:read", requests_per_minute=3)
    assert [client.get(ADDRESS).status_code for _time in range(4)] == [200, 200, 200, 429]
    refused = client.get(ADDRESS)
    assert refused["Retry-After"] == "45"
    assert refused.json()["type"] == "urn:perennial:problem:throttled"
    clock.seconds += 44.5
    assert client.get(ADDRESS).status_code == 200


def test_callers_are_counted_apart_and_the_setting_counts_for_the_rest(settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    for _caller in range(2):
        client = bearer(make_key("customers:read")[1])
        assert [client.get(ADDRESS).status_code for _time in range(2)] == [200, 429]


def test_without_valkey_everybody_passes_and_it_is_logged_once(settings: Any, caplog: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    get_client.cache_clear()
    client = caller("customers:read", requests_per_minute=1)
    assert [client.get(ADDRESS).status_code for _time in range(3)] == [200, 200, 200]
    assert len([record for record in caplog.records if record.name == "config.foundation.valkey"]) == 1


def test_counts_do_not_stay_in_valkey(valkey: Any) -> None:
    caller("customers:read").get(ADDRESS)
    [key] = valkey.keys("throttle:*")
    assert 0 < valkey.ttl(key) <= 120
