"""Limits on requests per minute, with and without Valkey."""

from typing import Any

import pytest

from config.access.throttling import KeyRateThrottle
from config.foundation import rate_limiter, valkey
from config.foundation.rate_limiter import RateLimiter
from config.foundation.valkey import get_client
from tests.config.access.callers import make_bearer_client, make_client, make_key

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/customers/"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, valkey: Any) -> Any:
    class Clock:
        seconds = 1_800_000_015.5

    monkeypatch.setattr(KeyRateThrottle, "get_now", staticmethod(lambda: Clock.seconds))
    return Clock


def test_the_limit_of_a_key_applies_per_minute(clock: Any) -> None:
    client = make_client("customers:read", requests_per_minute=3)
    assert [client.get(ADDRESS).status_code for _time in range(4)] == [200, 200, 200, 429]
    response = client.get(ADDRESS)
    assert response["Retry-After"] == "45"
    assert response.json()["type"] == "urn:perennial:problem:throttled"
    clock.seconds += 44.5
    assert client.get(ADDRESS).status_code == 200


def test_callers_are_counted_separately_against_the_default_limit(settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    for _caller in range(2):
        client = make_bearer_client(make_key("customers:read")[1])
        assert [client.get(ADDRESS).status_code for _time in range(2)] == [200, 429]


def test_without_valkey_the_process_counts_and_one_warning_is_logged(
    settings: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    monkeypatch.setattr(rate_limiter, "_local_limiter", RateLimiter(clock=lambda: clock.seconds))
    monkeypatch.setattr(valkey, "PAUSE_TIMEOUTS", 1_000_000)  # however long the requests take, none tries it again
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    get_client.cache_clear()
    client = make_client("customers:read", requests_per_minute=2)
    assert [client.get(ADDRESS).status_code for _time in range(3)] == [200, 200, 429]
    assert client.get(ADDRESS)["Retry-After"] == "45"
    other = make_client("customers:read", requests_per_minute=2)
    assert other.get(ADDRESS).status_code == 200
    clock.seconds += 45
    assert client.get(ADDRESS).status_code == 200
    assert len([record for record in caplog.records if record.name == "config.foundation.valkey"]) == 1


def test_counts_expire(valkey: Any) -> None:
    make_client("customers:read").get(ADDRESS)
    [key] = valkey.keys("throttle:*")
    assert 0 < valkey.ttl(key) <= 120
