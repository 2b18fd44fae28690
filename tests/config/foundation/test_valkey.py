"""Threads share the Valkey client without exhausting its connections.

The server is not that of the other tests: these count and close all its connections, and keep it busy.
"""

from collections.abc import Iterator
from threading import Thread

import pytest
import redis

from config.foundation.valkey import LuaScript, ValkeyClient, ValkeyDownError
from tests.valkey_server import run_valkey
from tests.waiting import DEADLINE_SECONDS, wait_until

ONE = LuaScript("return 1")


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    with run_valkey() as url:
        yield url


@pytest.fixture
def valkey(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def client(valkey_url: str) -> ValkeyClient:
    return ValkeyClient(valkey_url, DEADLINE_SECONDS)  # a busy machine may answer late


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
        what="the connections of threads that have ended to be closed",
    )


def test_a_script_that_the_server_does_not_have_is_sent(client: ValkeyClient, valkey: redis.Redis) -> None:
    echo = LuaScript("return {ARGV[1], #ARGV}")
    valkey.script_flush()
    assert client.run_script(echo, "é" * 70_000, 2) == [("é" * 70_000).encode(), 2]
    assert client.run_script(echo, b"again") == [b"again", 1]


def test_an_error_of_a_script_says_what_the_server_replied(client: ValkeyClient) -> None:
    with pytest.raises(ValkeyDownError, match="broken"):
        client.run_script(LuaScript("return redis.error_reply('broken')"))


def test_a_connection_that_the_server_closed_is_opened_again(client: ValkeyClient, valkey: redis.Redis) -> None:
    assert client.run_script(ONE) == 1
    valkey.client_kill_filter(_type="normal", skipme=True)
    assert client.run_script(ONE) == 1


def test_a_late_reply_is_not_read_as_the_next_one(valkey_url: str) -> None:
    client = ValkeyClient(valkey_url, 0.05)
    # a fixed number of steps: a loop until a time never ends where the clock is set back
    wait = LuaScript("for step = 1, 100000000 do end return 2")
    with pytest.raises(ValkeyDownError, match="Timeout"):
        client.run_script(wait)

    def is_answered() -> bool:
        try:
            return bool(client.run_script(ONE) == 1)
        except ValkeyDownError:  # calls are paused after a failure
            return False

    wait_until(is_answered, what="an answer of the server")
