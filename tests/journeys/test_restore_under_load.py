"""A backup is made while events arrive and are processed, and restored elsewhere: counts, money and the answers for 100 customers agree."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.embedded.servers import EmbeddedServers
from tests.customers.events.client import track
from tests.customers.events.server import CollectorServer, run_collector
from tests.journeys.backed_up_shop import CUSTOMERS
from tests.journeys.command_process import CommandProcess
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

SHOP = "tests.journeys.backed_up_shop"
SECRETS = ("field-keys", "hash-key", "secret-key")  # kept apart from the backup


class Load:
    """Sends some hundred views of strangers a second, and counts those that were accepted."""

    def __init__(self, server: CollectorServer, key: str) -> None:
        self.server, self.key, self.accepted = server, key, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.send)

    def send(self) -> None:
        number = 0
        while not self.stopped.is_set():
            batch = [
                track(
                    "Product Viewed", messageId=f"load-{number}-{event}", userId=f"visitor{event}", properties=UNKNOWN
                )
                for event in range(20)
            ]
            assert self.server.deliver(self.key, {"batch": batch}).status == 200
            self.accepted += len(batch)
            number += 1
            self.stopped.wait(0.05)

    def wait_for(self, more: int) -> int:
        """Wait until so many more events are accepted, and return the number of all."""
        target = self.accepted + more
        wait_until(lambda: self.accepted >= target, what="more events")
        return self.accepted


UNKNOWN = {"product_id": "unknown"}


@pytest.fixture
def server() -> Iterator[CollectorServer]:
    with run_collector() as server:
        del server.env["DATABASE_STATEMENT_TIMEOUT"]  # of web processes
        yield server


@pytest.fixture
def processes() -> Iterator[list[CommandProcess]]:
    started: list[CommandProcess] = []
    yield started
    for process in started:
        process.stop()


@pytest.fixture
def elsewhere(server: CollectorServer) -> Iterator[dict[str, str]]:
    """Yield the environment of an empty installation with the same keys."""
    folder = server.folder / "elsewhere"
    servers = EmbeddedServers(folder, report=lambda message: None)
    try:
        addresses = servers.ensure(postgres=True, valkey=True)
        for name in SECRETS:
            secret = server.folder / "var" / "secrets" / name
            (folder / "secrets" / name).write_bytes(secret.read_bytes())
        yield server.env | {
            "DATABASE_URL": str(addresses.postgres),
            "VALKEY_URL": str(addresses.valkey),
            "PERENNIAL_VAR": str(folder),
        }
    finally:
        servers.release()


def test_a_backup_under_load_restores_one_moment(
    server: CollectorServer, elsewhere: dict[str, str], processes: list[CommandProcess]
) -> None:
    backups: Path = server.folder / "backups"
    worker = CommandProcess(SHOP, server.env)
    processes.append(worker)
    load = Load(server, worker("seed"))
    moment = datetime.now(UTC).isoformat()
    before = worker("read_answers", moment)
    worker("work")
    load.thread.start()
    try:
        at_start = load.wait_for(200)
        worker("manage", "backup", str(backups))
        at_end = load.wait_for(1)  # with the batch that was being accepted at the moment of the backup
        load.wait_for(100)
    finally:
        load.stopped.set()
        load.thread.join()
        worker.stop()

    restored = CommandProcess(SHOP, elsewhere)
    processes.append(restored)
    assert "is complete" in restored("manage", "backup", str(backups), "--verify")
    assert "DIFFERENT" not in restored("manage", "restore", str(backups))
    events, distinct, _waiting = restored("count_events")
    assert at_start <= events <= at_end
    assert events == distinct
    after = restored("read_answers", moment)
    assert len(after["customers"]) == CUSTOMERS
    assert all(answer["products"] and answer["recent"] for answer in after["customers"].values())
    assert after == before
    # what waited at the moment of the backup is processed now, once
    restored("manage", "process_events")
    assert restored("count_events") == [events, events, 0]
