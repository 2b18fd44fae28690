"""Threads share the Valkey client without exhausting its connections."""

from threading import Thread

import pytest
import redis
from django.conf import settings

from config.foundation.valkey import LuaScript, ValkeyClient
from tests.waiting import wait_until

ONE = LuaScript("return 1")


@pytest.fixture
def client(valkey: redis.Redis) -> ValkeyClient:
    return ValkeyClient(settings.VALKEY_URL)


def test_short_lived_threads_do_not_exhaust_the_connections(client: ValkeyClient, valkey: redis.Redis) -> None:
    before = valkey.info("clients")["connected_clients"]
    results: list[int] = []
    for _number in range(250):  # a pool has at most a hundred connections
        thread = Thread(target=lambda: results.append(client.run_script(ONE)))
        thread.start()
        thread.join()
    assert results == [1] * 250
    wait_until(
        lambda: valkey.info("clients")["connected_clients"] < before + 50,
        within=10,
        what="the connections of threads that have ended to be closed",
    )
