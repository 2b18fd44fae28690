"""Failures on real servers: every event of a call that returned 200 is stored exactly once."""

import gzip
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.customers.events.client import track
from tests.customers.events.server import PROJECT, CollectorServer, run_collector
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

CLIENT = """
import json, random, sys
from pathlib import Path
from tests.customers.events.server import Answer, CollectorServer
shop = CollectorServer.__new__(CollectorServer)
shop.port, key, seed, batches = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.stdin.readline())
random.Random(seed).shuffle(batches)
print("ready", flush=True)
sys.stdin.readline()
answers = [shop.post(key, {"batch": batch}) for batch in batches]
assert {answer.status for answer in answers} == {200}, answers
print(sum(answer.body["accepted"] - answer.body["duplicates"] for answer in answers), flush=True)
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[CollectorServer]:
    with run_collector() as running:
        yield running


def batches(prefix: str, *, count: int, size: int = 50) -> list[list[dict[str, Any]]]:
    return [[track(messageId=f"{prefix}-{number}-{place}") for place in range(size)] for number in range(count)]


def test_same_batches_from_eight_concurrent_processes_are_stored_once(shop: CollectorServer) -> None:
    key, wanted = shop.make_source("eight"), batches("eight", count=12)
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(shop.port), key, str(seed)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(8)
    ]
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(json.dumps(wanted) + "\n")
        client.stdin.flush()
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    new = []
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
    for client in clients:
        out, problems = client.communicate(timeout=120)
        assert client.returncode == 0, problems
        new.append(int(out))
    assert sum(new) == 600
    assert shop.count_stored("eight") == (600, 600, 600)


def test_retry_waits_for_the_running_first_call_and_is_a_duplicate(shop: CollectorServer) -> None:
    key, [batch] = shop.make_source("retry"), batches("retry", count=1)
    with psycopg.connect(shop.database) as blocker, ThreadPoolExecutor(4) as pool:
        blocker.execute("LOCK TABLE events_outbox IN ACCESS EXCLUSIVE MODE")
        calls = [pool.submit(shop.post, key, {"batch": batch}) for _try in range(4)]
        wait_until(lambda: waiting_statements(shop) >= 1, what="a call to wait for the table")
        assert not any(call.done() for call in calls)
        blocker.rollback()
        answers = [call.result() for call in calls]
    assert {(answer.status, answer.body["accepted"]) for answer in answers} == {(200, 50)}
    assert sum(answer.body["duplicates"] for answer in answers) == 3 * 50
    assert shop.count_stored("retry") == (50, 50, 50)


def waiting_statements(shop: CollectorServer) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'perennial collector' AND wait_event_type = 'Lock'"
    return int(shop.query_value(query))


def test_retry_after_a_kill_between_commit_and_response_is_a_duplicate(shop: CollectorServer) -> None:
    key = shop.make_source("killed")
    batch = [
        track("Product Viewed", messageId=f"killed-{number}", properties={"product_id": "p"}) for number in range(50)
    ]
    shop.post(key, {"batch": [track(messageId="warm")]})
    lost: list[Exception] = []

    def send() -> None:
        try:
            shop.post(key, {"batch": batch})
        except (OSError, http.client.HTTPException) as error:
            lost.append(error)

    # after the commit a call writes to Valkey: while Valkey is paused, the call has no response yet
    with shop.valkey() as valkey:
        valkey.execute_command("CLIENT", "PAUSE", "400", "ALL")
    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: shop.count_stored("killed")[0] == 51, what="the commit")
    shop.kill_web()
    sender.join()
    assert len(lost) == 1
    shop.start_web()
    answer = shop.deliver(key, {"batch": batch})
    assert (answer.body["accepted"], answer.body["duplicates"]) == (50, 50)
    assert shop.count_stored("killed") == (51, 51, 51)


class Senders:
    """Four clients that send batches and retry each until the response is 200."""

    def __init__(self, shop: CollectorServer, source: str) -> None:
        self.shop, self.source = shop, source
        self.key = shop.make_source(source)
        self.statuses: list[int | None] = []
        self.delivered = 0
        self.over = threading.Event()
        self.pool = ThreadPoolExecutor(4)
        self.running = [self.pool.submit(self.send, number) for number in range(4)]

    def send(self, sender: int) -> int:
        sent = 0
        while not self.over.is_set():
            batch = [track(messageId=f"{self.source}-{sender}-{sent}-{place}") for place in range(20)]
            answer = self.shop.deliver(self.key, {"batch": batch}, note=self.statuses.append)
            assert (answer.body["accepted"], answer.body["rejected"]) == (20, 0)
            sent += 1
            self.delivered += 1
        return 20 * sent

    def wait_for_more(self, batches: int = 12) -> None:
        enough = self.delivered + batches
        wait_until(
            lambda: self.delivered >= enough or any(one.done() for one in self.running), within=90, what="more batches"
        )

    def finish(self) -> None:
        self.over.set()
        sent = sum(one.result() for one in self.running)
        self.pool.shutdown()
        assert self.shop.count_stored(self.source) == (sent, sent, sent)


def test_kill_at_any_moment_under_load_neither_loses_nor_duplicates_events(shop: CollectorServer) -> None:
    senders = Senders(shop, "any-moment")
    for _kill in range(3):
        senders.wait_for_more()
        shop.kill_web()
        shop.start_web()
    senders.wait_for_more()
    senders.finish()
    assert None in senders.statuses


def test_calls_return_503_while_postgresql_restarts_under_load(shop: CollectorServer) -> None:
    senders = Senders(shop, "stopped")
    senders.wait_for_more()
    shop.server("postgres").stop()
    refused = shop.post(senders.key, {"batch": []})
    wait_until(lambda: senders.statuses.count(503) >= 8, what="answers of 503")
    began = time.monotonic()
    answer = shop.post(senders.key, {"batch": [track(messageId="stopped-once-more")]})
    assert (answer.status, answer.body["code"]) == (503, "database_unreachable")
    assert time.monotonic() - began < 5
    assert refused.status in (200, 503)
    shop.server("postgres").ensure_running()
    senders.wait_for_more()
    senders.finish()
    assert set(senders.statuses) == {503}


def test_valkey_flush_and_stop_lose_recent_interactions_and_no_event(shop: CollectorServer) -> None:
    key = shop.make_source("valkey")

    def view(number: int) -> None:
        seen = track("Product Viewed", messageId=f"valkey-{number}", properties={"product_id": f"p{number}"})
        assert shop.post(key, seen, path="/v1/track").status == 200

    def listed() -> int:
        with shop.valkey() as valkey:
            return int(valkey.zcard("recent:user_id:u1"))

    view(1)
    wait_until(lambda: listed() >= 1, what="the recent list")
    with shop.valkey() as valkey:
        valkey.flushall()
    view(2)
    assert listed() == 1
    shop.server("valkey").stop()
    began = time.monotonic()
    for number in range(3, 23):
        view(number)
    assert time.monotonic() - began < 15
    shop.server("valkey").ensure_running()
    before = listed()
    more = iter(range(23, 100_000))

    def again() -> bool:
        view(next(more))
        return listed() > before

    wait_until(again, within=30, what="freshness to return")
    sent = next(more) - 1
    assert shop.count_stored("valkey") == (sent, sent, sent)


@pytest.mark.parametrize("hours", [-1, 1])
def test_client_clock_that_is_off_by_an_hour_does_not_shift_its_events(shop: CollectorServer, hours: int) -> None:
    key = shop.make_source(f"clock{hours}")
    now = datetime.now(UTC)
    theirs = now + timedelta(hours=hours)
    happened = (theirs - timedelta(minutes=5)).isoformat()
    body = {"batch": [track(messageId="m", originalTimestamp=happened)], "sentAt": theirs.isoformat()}
    assert shop.post(key, body).status == 200
    occurred = shop.query_value(
        "SELECT occurred_at FROM events_event e JOIN events_source s ON s.id = e.source_id WHERE s.key = %s",
        f"clock{hours}",
    )
    assert abs(occurred - (now - timedelta(minutes=5))) < timedelta(seconds=20)


def test_gzip_bomb_is_rejected_without_using_memory(shop: CollectorServer) -> None:
    key = shop.make_source("bomb")
    bomb = gzip.compress(bytes(300_000_000), compresslevel=9)
    inner = gzip.compress(bomb)
    assert len(bomb) < 500_000
    assert shop.post(key, bomb).status == 413
    before = shop.measure_web_megabytes()
    for _call in range(30):
        assert shop.post(key, bomb).status == 413
        assert shop.post(key, inner).status in (400, 413)
    assert shop.measure_web_megabytes() - before < 60


def test_body_of_unknown_length_is_read(shop: CollectorServer) -> None:
    key = shop.make_source("chunked")
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
    pieces = [b'{"batch": [', json.dumps(track(messageId="m")).encode(), b"]}"]
    connection.request("POST", "/v1/batch", iter(pieces), {"X-Write-Key": key}, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["accepted"] == 1
    connection.close()


def test_web_server_log_has_no_traceback(shop: CollectorServer) -> None:
    text = (Path(shop.folder) / "web.log").read_text()
    assert "Traceback" not in text
