"""The database's primary is killed under load and its standby promoted: the service goes on, and nothing accepted is lost."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import psycopg
import pytest

from config.embedded.postgres import CONF, find_binaries
from config.embedded.server_process import drop_privileges
from tests.customers.events.client import track
from tests.customers.events.server import CollectorServer, run_collector
from tests.ports import reserve_port
from tests.waiting import measure_running_seconds, wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

BATCH_EVENTS, CLIENTS = 20, 3


class Standby:
    """A standby of the embedded server, made by pg_basebackup."""

    def __init__(self, shop: CollectorServer) -> None:
        self.folder, self.port = shop.folder / "standby", reserve_port()
        self.owner = shop.find_server("postgres").find_owner()
        self.folder.mkdir(mode=0o700)
        if self.owner is not None:
            os.chown(self.folder, *self.owner)
        self.run("pg_basebackup", "-D", str(self.folder), "-R", "-X", "stream", "-c", "fast", "-d", shop.database)
        conf = self.folder / CONF
        lines = [line for line in conf.read_text().splitlines() if not line.startswith("port = ")]
        conf.write_text("\n".join([*lines, f"port = {self.port}", "cluster_name = 'standby'"]) + "\n")
        parts = urlsplit(shop.database)
        self.url = shop.database.replace(f":{parts.port}/", f":{self.port}/")
        with (shop.folder / "standby.log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(find_binaries() / "postgres"), "-D", str(self.folder)],
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                preexec_fn=lambda: drop_privileges(self.owner, die_with_parent=True),
            )
        wait_until(self.is_answering, what="the standby")

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(find_binaries() / program), *arguments],
            check=True,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath},
            preexec_fn=lambda: drop_privileges(self.owner, die_with_parent=False),
        )

    def is_answering(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def promote(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=300)


@pytest.fixture
def shop() -> Iterator[tuple[CollectorServer, Standby]]:
    with run_collector() as shop:
        standby = Standby(shop)
        replicate_synchronously(shop, standby)
        yield shop, standby
        shop.kill_web()
        standby.stop()


def replicate_synchronously(shop: CollectorServer, standby: Standby) -> None:
    """Let every commit wait for the standby, and start the web server with both addresses."""
    with psycopg.connect(shop.database, autocommit=True) as primary:
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        wait_until(
            lambda: primary.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone(),
            what="synchronous replication",
        )
    shop.kill_web()
    parts = urlsplit(shop.database)
    place = f"127.0.0.1:{parts.port}"
    shop.env["DATABASE_URL"] = shop.database.replace(place, f"{place},127.0.0.1:{standby.port}")
    shop.start_web()


def test_a_promoted_standby_takes_over_without_a_restart_and_has_every_accepted_event(
    shop: tuple[CollectorServer, Standby],
) -> None:
    server, standby = shop
    key = server.make_source("failing-over")
    accepted, refused, lock, is_over = [0], [0], threading.Lock(), threading.Event()

    def report(status: int | None) -> None:
        with lock:
            refused[0] += 1

    def send(client: int) -> None:
        for number in count():
            batch = [track(messageId=f"{client}-{number}-{event}") for event in range(BATCH_EVENTS)]
            response = server.deliver(key, {"batch": batch}, report_status=report)
            assert response.status == 200
            with lock:
                accepted[0] += BATCH_EVENTS
            if is_over.wait(0.02):
                return

    threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: accepted[0] >= 200, what="events before the failure")
        primary = server.find_server("postgres")
        assert primary.pid is not None
        os.kill(
            primary.pid, signal.SIGQUIT
        )  # ends immediately, as after a loss of power; the other processes end with it
        with measure_running_seconds() as get_seconds:
            standby.promote()
            before = accepted[0]
            wait_until(lambda: accepted[0] > before, what="events after the failure")
            seconds = get_seconds()
        wait_until(lambda: accepted[0] > before + 200, what="more events after the failure")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    expected = accepted[0]
    with psycopg.connect(standby.url) as connection:
        row = connection.execute("SELECT count(*), count(DISTINCT message_id) FROM events_event").fetchone()
    assert row == (expected, expected)
    print(f"Accepted again after {seconds:.1f} s; {refused[0]} calls were refused meanwhile and repeated.")
    assert seconds < 30
