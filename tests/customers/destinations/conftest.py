"""A receiver that runs here, and destinations that send to it. The models are imported by the fixtures: Django is set up later."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.customers.destinations.receivers import Receiver


@pytest.fixture(autouse=True)
def closed_breakers(valkey: redis.Redis) -> None:
    """Forget the circuit breakers of other tests, whose destinations may have had the same IDs."""


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    server = Receiver()
    with server.run():
        yield server
