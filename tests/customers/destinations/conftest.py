"""A receiver that runs here, and destinations that send to it. The models are imported by the fixtures: Django is set up later."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.customers.destinations.receivers import Receiver


@pytest.fixture(autouse=True)
def closed_breakers(valkey: redis.Redis) -> None:
    """Forget the circuit breakers of other tests, whose destinations may have had the same IDs."""


@pytest.fixture(autouse=True)
def patient_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for an answer than outside of tests: a busy machine may stall for longer."""
    from customers.destinations.kinds import http_client, mysql, postgres

    for module in (http_client, mysql, postgres):
        monkeypatch.setattr(module, "CONNECT_SECONDS", 60)
    monkeypatch.setattr(http_client, "CALL_SECONDS", 120)
    for database in (mysql, postgres):
        monkeypatch.setattr(database, "STATEMENT_MS", 120_000)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    server = Receiver()
    with server.run():
        yield server
