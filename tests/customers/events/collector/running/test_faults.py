"""Failures on real servers: every event of a call that returned 200 is stored exactly once."""

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.child_processes import start_child
from tests.customers.events.client import track
from tests.customers.events.collector.running.senders import Senders
from tests.customers.events.server import CollectorServer
from tests.waiting import DEADLINE_SECONDS, measure_running_seconds, wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

CLIENT = """
import json, random, sys
from pathlib import Path
from tests.customers.events.server import CollectorServer
shop = CollectorServer.__new__(CollectorServer)
shop.port, key, seed = {arguments!r}
batches = json.loads(sys.stdin.readline())
random.Random(seed).shuffle(batches)
print("ready", flush=True)
sys.stdin.readline()
responses = [shop.deliver(key, {{"batch": batch}}) for batch in batches]
print(sum(response.body["accepted"] for response in responses), flush=True)
"""


def build_batches(prefix: str, *, count: int, size: int = 50) -> list[list[dict[str, Any]]]:
    return [[track(messageId=f"{prefix}-{number}-{position}") for position in range(size)] for number in range(count)]


def test_same_batches_from_eight_concurrent_processes_are_stored_once(shop: CollectorServer) -> None:
    key, sent_batches = shop.make_source("eight"), build_batches("eight", count=12)
    clients = [start_child(CLIENT.format(arguments=(shop.port, key, seed))) for seed in range(8)]
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(json.dumps(sent_batches) + "\n")
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
        out, problems = client.communicate(timeout=300)
        assert client.returncode == 0, problems
        new.append(int(out))
    assert sum(new) == 600
    assert shop.count_stored("eight") == (600, 600, 600)


def test_retry_waits_for_the_running_first_call_and_is_a_duplicate(shop: CollectorServer) -> None:
    key, [batch] = shop.make_source("retry"), build_batches("retry", count=1)
    with psycopg.connect(shop.database) as blocker, ThreadPoolExecutor(4) as pool:
        blocker.execute("LOCK TABLE events_outbox IN ACCESS EXCLUSIVE MODE")
        # "deliver": on a busy machine the lock can be held for longer than the statements may wait, and a call gets 503
        calls = [pool.submit(shop.deliver, key, {"batch": batch}) for _try in range(4)]
        wait_until(lambda: count_waiting_statements(shop) >= 1, what="a call to wait for the table")
        assert [call.result() for call in calls if call.done()] == []
        blocker.rollback()
        responses = [call.result() for call in calls]
    assert {response.status for response in responses} == {200}
    assert sorted((response.body["accepted"], response.body["duplicates"]) for response in responses) == [
        (0, 50),
        (0, 50),
        (0, 50),
        (50, 0),
    ]
    assert shop.count_stored("retry") == (50, 50, 50)


def count_waiting_statements(shop: CollectorServer) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'perennial collector' AND wait_event_type = 'Lock'"
    return int(shop.query_value(query))


def test_retry_after_a_kill_between_commit_and_response_is_a_duplicate(shop: CollectorServer) -> None:
    key = shop.make_source("killed")
    batch = [
        track("Product Viewed", messageId=f"killed-{number}", properties={"product_id": "p"}) for number in range(50)
    ]
    send_and_kill(shop, key, batch)
    assert shop.count_stored("killed") == (50, 50, 50)
    shop.start_web()
    response = shop.deliver(key, {"batch": batch})
    assert (response.body["accepted"], response.body["duplicates"]) == (0, 50)
    assert shop.count_stored("killed") == (50, 50, 50)


def send_and_kill(shop: CollectorServer, key: str, batch: list[dict[str, Any]]) -> None:
    """Kill the web server while it waits for the answer to the commit of a call."""
    with hold_answers_to_commits(shop), ThreadPoolExecutor(1) as pool:
        call = pool.submit(shop.post, key, {"batch": batch})
        wait_until(lambda: count_held_commits(shop, "perennial collector") > 0, what="the commit")
        shop.kill_web()
        with pytest.raises((OSError, http.client.HTTPException)):
            call.result()


@contextmanager
def hold_answers_to_commits(shop: CollectorServer) -> Iterator[None]:
    """Let the server wait for a standby that does not exist after each commit, before it answers."""

    def commit() -> None:
        with psycopg.connect(shop.database) as connection:
            connection.execute("SELECT pg_logical_emit_message(true, 'test', '')")  # locks no row that a call needs

    def is_held() -> bool:
        if commits[-1].done():  # the server did not yet know the standby
            commits.append(pool.submit(commit))
        return count_held_commits(shop) > 0

    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.database, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        connection.execute("SELECT pg_reload_conf()")
        commits = [pool.submit(commit)]
        try:
            wait_until(is_held, what="the server to wait for a standby")
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
            wait_until(lambda: count_held_commits(shop) == 0, what="the server to go on")


def count_held_commits(shop: CollectorServer, program: str = "%") -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE %s"
    return int(shop.query_value(query, program))


def test_kill_at_any_moment_under_load_neither_loses_nor_duplicates_events(shop: CollectorServer) -> None:
    with Senders(shop, "any-moment") as senders:
        for _kill in range(3):
            senders.wait_for_more()
            shop.kill_web()
            shop.start_web()
        senders.wait_for_more()
        senders.finish()
        assert None in senders.statuses


def test_calls_return_503_while_postgresql_restarts_under_load(shop: CollectorServer) -> None:
    with Senders(shop, "stopped") as senders:
        senders.wait_for_more()
        shop.find_server("postgres").stop()
        first_response = shop.post(senders.key, {"batch": []})
        wait_until(lambda: senders.statuses.count(503) >= 8, what="503 responses")

        def is_refused_at_once() -> bool:
            started = time.monotonic()
            response = shop.post(senders.key, {"batch": [track(messageId="stopped-once-more")]})
            assert (response.status, response.body["code"]) == (503, "database_unreachable")
            return time.monotonic() - started < 5

        wait_until(is_refused_at_once, what="a response within 5 s, unless the machine stalls")
        assert first_response.status in (200, 503)
        shop.find_server("postgres").ensure_running()
        senders.wait_for_more()
        senders.finish()
        assert set(senders.statuses) == {503}


def test_valkey_flush_and_stop_lose_recent_interactions_and_no_event(shop: CollectorServer) -> None:
    key, numbers, sent = shop.make_source("valkey"), count(1), 0

    def view() -> None:
        nonlocal sent
        sent = next(numbers)
        event = track("Product Viewed", messageId=f"valkey-{sent}", properties={"product_id": f"p{sent}"})
        shop.deliver(key, {"batch": [event]})

    def count_listed() -> int:
        with shop.connect_to_valkey() as valkey:
            return int(valkey.zcard("recent:user_id:u1"))

    def view_and_count_listed() -> int:
        """Send another view each time: Valkey may answer later than a request waits for it, and lose one."""
        view()
        return count_listed()

    wait_until(view_and_count_listed, what="the recent list")
    with shop.connect_to_valkey() as valkey:
        valkey.flushall()
    before = sent
    wait_until(view_and_count_listed, what="a new recent list")
    assert count_listed() <= sent - before
    shop.find_server("valkey").stop()

    def are_views_quick() -> bool:
        with measure_running_seconds() as get_seconds:
            for _view in range(20):
                view()
            return get_seconds() < 15

    wait_until(are_views_quick, what="20 calls within 15 s, unless the machine stalls")
    shop.find_server("valkey").ensure_running()
    listed = count_listed()
    wait_until(lambda: view_and_count_listed() > listed, what="recent interactions to be written again")
    assert shop.count_stored("valkey") == (sent, sent, sent)


@pytest.mark.parametrize("hours", [-1, 1])
def test_client_clock_that_is_off_by_an_hour_does_not_shift_its_events(shop: CollectorServer, hours: int) -> None:
    key = shop.make_source(f"clock{hours}")
    now = datetime.now(UTC)
    client_now = now + timedelta(hours=hours)
    original_timestamp = (client_now - timedelta(minutes=5)).isoformat()
    body = {"batch": [track(messageId="m", originalTimestamp=original_timestamp)], "sentAt": client_now.isoformat()}
    shop.deliver(key, body)
    answered = datetime.now(UTC)
    occurred = shop.query_value(
        "SELECT occurred_at FROM events_event e JOIN events_source s ON s.id = e.source_id WHERE s.key = %s",
        f"clock{hours}",
    )
    assert now <= occurred + timedelta(minutes=5) <= answered


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
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=DEADLINE_SECONDS)
    chunks = [b'{"batch": [', json.dumps(track(messageId="m")).encode(), b"]}"]
    connection.request("POST", "/v1/batch", iter(chunks), {"X-Write-Key": key}, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["accepted"] == 1
    connection.close()


def test_web_server_log_has_no_traceback(shop: CollectorServer) -> None:
    text = (Path(shop.folder) / "web.log").read_text()
    assert "Traceback" not in text
