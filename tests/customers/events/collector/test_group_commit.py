"""Calls that wait at the same time are stored together, and each gets its own result."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from customers.events.collector import group_commit
from customers.events.collector.event_store import EventWriter
from customers.events.collector.group_commit import GroupCommit
from customers.events.models import Event, Outbox, RejectedEvent
from tests.customers.events.client import build_rejected_item, build_rows
from tests.makers import make_source
from tests.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Iterator[GroupCommit]:
    monkeypatch.setattr(group_commit, "CONNECT_TIMEOUT_SECONDS", 60)  # a busy machine may need longer than a call waits
    group = GroupCommit()
    yield group
    group.close()


class Gate:
    """Blocks the first statement until all other calls wait behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.sizes: list[int] = []
        store = EventWriter.store

        def wait_and_store(writer: EventWriter, calls: Any) -> Any:
            self.sizes.append(len(calls))
            self.open.wait(DEADLINE_SECONDS)
            return store(writer, calls)

        monkeypatch.setattr(EventWriter, "store", wait_and_store)


def store_at_once(group: GroupCommit, gate: Gate, calls: list[tuple[Any, Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        first = pool.submit(group.store, *calls[0])
        wait_until(lambda: gate.sizes, what="the first call to be written")
        futures = [pool.submit(group.store, *call) for call in calls[1:]]
        wait_until(lambda: len(group._queue) == len(futures), what="the others to wait")
        gate.open.set()
        return [future.exception() or future.result() for future in (first, *futures)]


def test_waiting_calls_are_written_together_and_each_gets_its_own_result(
    group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id = make_source().pk
    gate = Gate(monkeypatch)
    calls = [
        (build_rows("m1", source_id=source_id), []),
        (build_rows("m2", "m3", source_id=source_id), []),
        (build_rows("m1", "m4", source_id=source_id), [build_rejected_item(source_id=source_id)]),
        (build_rows("m3", "m3", "m5", source_id=source_id), []),
    ]
    results = store_at_once(group, gate, calls)
    assert gate.sizes == [1, 3]
    counts = [(len(result.rows), result.duplicates, len(result.rejected)) for result in results]
    first_of_m3 = counts[1] == (2, 0, 0)
    assert counts[0] == (1, 0, 0)
    assert counts[2] == (1, 1, 1)
    assert counts[1:4:2] == ([(2, 0, 0), (1, 2, 0)] if first_of_m3 else [(1, 1, 0), (2, 1, 0)])
    assert sorted(Event.objects.values_list("message_id", flat=True)) == ["m1", "m2", "m3", "m4", "m5"]
    assert (Outbox.objects.count(), RejectedEvent.objects.count()) == (5, 1)


def test_call_that_fails_the_statement_does_not_affect_the_others(
    group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id = make_source().pk
    gate = Gate(monkeypatch)
    [broken] = build_rows("m3", source_id=source_id)
    broken.stored.properties = b"no json"
    [impossible] = build_rows("m4", source_id=source_id)
    impossible.stored.name = "\ud83d"
    calls = [(build_rows(name, source_id=source_id), []) for name in ("m1", "m2")]
    results = store_at_once(group, gate, [*calls, ([broken], []), ([impossible], [])])
    assert [len(result.rows) for result in results[:2]] == [1, 1]
    assert results[2].rejected[0].code == "cannot_store"
    assert isinstance(results[3], UnicodeEncodeError)
    assert sorted(Event.objects.values_list("message_id", flat=True)) == ["m1", "m2"]


def test_lost_connection_is_reopened_and_the_call_is_stored_once(group: GroupCommit) -> None:
    source_id = make_source().pk
    group.store(build_rows("m1", source_id=source_id), [])
    assert group._connection is not None
    with psycopg.connect(group._connection.info.dsn, password=group._connection.info.password) as admin_connection:
        # until the session has ended: the next call could otherwise still be stored in it, and lose only its answer
        terminate = "SELECT pg_terminate_backend(%s, %s)"
        ended = admin_connection.execute(terminate, [group._connection.info.backend_pid, DEADLINE_SECONDS * 1000])
        assert ended.fetchone() == (True,)
    assert len(group.store(build_rows("m2", source_id=source_id), []).rows) == 1
    assert Event.objects.count() == 2


def test_unreachable_database_fails_every_call_and_is_retried_later(
    group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id = make_source().pk
    attempts: list[int] = []

    def fail_to_connect() -> Any:
        attempts.append(1)
        raise psycopg.OperationalError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(group_commit, "open_connection", fail_to_connect)
        for _call in range(3):
            with pytest.raises(OperationalError):
                group.store(build_rows("m1", source_id=source_id), [])
        assert len(attempts) == 2  # the first call tried twice, the others failed without trying
    group._down_until = 0.0
    assert len(group.store(build_rows("m1", source_id=source_id), []).rows) == 1


def test_source_that_was_deleted_meanwhile_stores_nothing(group: GroupCommit) -> None:
    source = make_source()
    waiting = build_rows("m1", source_id=source.pk)
    source.delete()
    result = group.store(waiting, [])
    assert (result.rows, result.duplicates) == ([], 0)
    assert [item.code for item in result.rejected] == ["unknown_write_key"]
    assert not Event.objects.exists()


def test_source_with_events_cannot_be_deleted_by_any_statement(group: GroupCommit) -> None:
    source = make_source()
    group.store(build_rows("m1", source_id=source.pk), [])
    assert group._connection is not None
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        group._connection.execute("DELETE FROM events_source")


def test_threads_of_further_calls_are_free_while_a_statement_runs(
    group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id = make_source().pk
    gate = Gate(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(group.submit, build_rows("m1", source_id=source_id), [])
        wait_until(lambda: gate.sizes, what="the first call to be written")
        pending = [group.submit(build_rows(name, source_id=source_id), []) for name in ("m2", "m3", "m2")]
        stored: list[int] = []
        for index, call in enumerate(pending):
            call.when_finished(partial(stored.append, index))
        assert stored == []
        gate.open.set()
        wait_until(lambda: len(stored) == len(pending), what="the other calls to be stored")
        assert len(first.result().wait().rows) == 1
    assert stored == [0, 1, 2]
    assert gate.sizes == [1, 3]
    assert [len(call.get_result().rows) for call in pending] == [1, 1, 0]
    finished: list[bool] = []
    pending[0].when_finished(lambda: finished.append(True))
    assert finished == [True]
    assert sorted(Event.objects.values_list("message_id", flat=True)) == ["m1", "m2", "m3"]


def test_a_call_waits_while_too_many_rows_are_in_the_queue(group: GroupCommit, monkeypatch: pytest.MonkeyPatch) -> None:
    source_id = make_source().pk
    monkeypatch.setattr(group_commit, "MAX_WAITING_ROWS", 2)
    gate = Gate(monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(group.submit, build_rows("m1", source_id=source_id), [])
        wait_until(lambda: gate.sizes, what="the first call to be written")
        group.submit(build_rows("m2", "m3", source_id=source_id), [])
        late = pool.submit(group.submit, build_rows("m4", source_id=source_id), [])
        wait_until(lambda: len(group._queue) == 2, what="the late call to be in the queue")
        assert not late.done()
        gate.open.set()
        assert len(late.result(DEADLINE_SECONDS).get_result().rows) == 1
    assert Event.objects.count() == 4
    assert group._waiting_rows == 0


def test_a_callback_that_fails_does_not_affect_the_other_calls(
    group: GroupCommit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source_id = make_source().pk
    gate = Gate(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(group.submit, build_rows("m1", source_id=source_id), [])
        wait_until(lambda: gate.sizes, what="the first call to be written")
        failing, other = (group.submit(build_rows(name, source_id=source_id), []) for name in ("m2", "m3"))
        failing.when_finished(lambda: 1 / 0)
        gate.open.set()
        assert len(other.wait().rows) == 1
    assert "could not be passed on" in caplog.text
