"""What one address may send through a source that everyone can use."""

from typing import Any

import pytest

from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import RateLimiter, RateLimits
from customers.events.models import Event, Source
from tests.customers.events.client import make_keyed_source, send, track

LIMITS = RateLimits(requests=3, bytes=100, names=2)


@pytest.fixture
def key(settings: Any) -> str:
    settings.COLLECTOR_REQUESTS_PER_MINUTE = 3
    return make_keyed_source("web", kind=Source.Kind.BROWSER)[1]


def visit(n: int) -> dict[str, Any]:
    return {"type": "track", "event": "Shop Opened", "anonymousId": f"a{n}"}


@pytest.mark.django_db
def test_an_address_above_the_limit_gets_429_with_a_time_to_retry(key: str) -> None:
    answers = [send({"batch": [visit(n)]}, key) for n in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert Event.objects.count() == 3


@pytest.mark.django_db
def test_a_server_source_is_not_limited_by_address(key: str) -> None:
    _source, server_key = make_keyed_source("server")
    assert {send({"batch": [track()]}, server_key).status_code for _ in range(6)} == {200}


@pytest.mark.django_db
def test_an_address_cannot_invent_visitors_without_limit(key: str, settings: Any) -> None:
    settings.COLLECTOR_VISITORS_PER_MINUTE = 10
    assert send({"batch": [visit(n) for n in range(10)]}, key).status_code == 200
    assert send({"batch": [visit(10)]}, key).status_code == 429
    assert Event.objects.count() == 10


@pytest.mark.django_db
def test_bytes_count_as_decompressed(key: str, settings: Any) -> None:
    settings.COLLECTOR_BYTES_PER_MINUTE = 10_000
    large = {**visit(1), "properties": {"text": "x" * 9_990}}
    assert send({"batch": [large]}, key).status_code == 429
    assert not Event.objects.exists()


def test_usage_ends_with_its_window() -> None:
    now = [59.0]
    limiter = RateLimiter(clock=lambda: now[0])
    assert [limiter.count("a", LIMITS) for _ in range(4)] == [0, 0, 0, 1]
    assert limiter.count("b", LIMITS) == 0
    now[0] = 60.0
    assert limiter.count("a", LIMITS) == 0


def test_bytes_and_names_are_limited_too() -> None:
    limiter = RateLimiter(clock=lambda: 0.0)
    assert limiter.count("a", LIMITS, bytes=100, names=["x", "y", "x"]) == 0
    assert limiter.add("a", LIMITS, bytes=1) == 60
    assert limiter.count("b", LIMITS, names=["x", "y", "z"]) == 60


def test_many_addresses_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.foundation.rate_limiter.MAX_SUBJECTS", 100)
    limiter = RateLimiter(clock=lambda: 0.0)
    for number in range(1_000):
        limiter.count(f"address-{number}", LIMITS, names=map(str, range(1_000)))
    assert len(limiter._usages) <= 100
    assert all(len(usage.names) <= LIMITS.names + 1 for usage in limiter._usages.values())


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "9.9.9.9", "10.0.0.1"),
        (1, "9.9.9.9, 1.2.3.4", "1.2.3.4"),
        (2, "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (2, "1.2.3.4", "10.0.0.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_only_what_own_proxies_append_counts_as_the_address(
    proxies: int, forwarded: str, address: str, settings: Any
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    assert get_client_address({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}) == address
