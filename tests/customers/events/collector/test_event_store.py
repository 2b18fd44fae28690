"""Events are stored exactly once, even by concurrent writers, and never partly."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection, connections

from config.foundation.database.partitions import ensure_partitions
from customers.events.collector import event_store
from customers.events.collector.event_store import record_events
from customers.events.models import Event, EventReceipt, Outbox, RejectedEvent
from tests.customers.events.client import build_rejected_item, build_rows
from tests.makers import make_source


@pytest.mark.django_db(transaction=True)
def test_same_batch_from_many_threads_at_once_is_stored_once() -> None:
    source_id = make_source().pk
    message_ids = [f"m{number}" for number in range(200)]
    barrier = threading.Barrier(4)

    def record(turn: int) -> int:
        rows = build_rows(
            *(message_ids if turn % 2 else reversed(message_ids)), source_id=source_id
        )  # in both orders: no deadlock
        barrier.wait()
        try:
            return len(record_events(rows=rows).rows)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(record, range(4)))
    assert sum(new) == 200
    assert Event.objects.count() == Outbox.objects.count() == EventReceipt.objects.count() == 200


@pytest.mark.django_db(transaction=True)
def test_failure_before_the_commit_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source_id = make_source().pk
    rejected_item = build_rejected_item(source_id=source_id)

    def fail(*_arguments: object) -> None:
        raise OperationalError("the server is gone")

    with monkeypatch.context() as patched:
        patched.setattr(event_store.EventWriter, "insert_rejected", fail)
        with pytest.raises(OperationalError):
            record_events(rows=build_rows("m1", source_id=source_id), rejected=[rejected_item])
    assert not Event.objects.exists()
    assert not EventReceipt.objects.exists()
    result = record_events(rows=build_rows("m1", source_id=source_id), rejected=[rejected_item])
    assert (len(result.rows), result.duplicates, len(result.rejected)) == (1, 0, 1)
    assert (Event.objects.count(), RejectedEvent.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_connection_killed_in_the_middle_leaves_nothing() -> None:
    source_id = make_source().pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    stop = "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(%d); RETURN NEW; END $$"
    with connection.cursor() as cursor:
        cursor.execute(stop % pid)
        cursor.execute("CREATE TRIGGER stop AFTER INSERT ON events_outbox FOR EACH ROW EXECUTE FUNCTION stop()")
    try:
        with pytest.raises(OperationalError):
            record_events(rows=build_rows("m1", source_id=source_id))
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER stop ON events_outbox; DROP FUNCTION stop()")
    assert not EventReceipt.objects.exists()
    assert len(record_events(rows=build_rows("m1", source_id=source_id)).rows) == 1


@pytest.mark.django_db
def test_product_ids_with_quotes_and_backslashes_are_stored_unchanged() -> None:
    [row] = build_rows("m1", source_id=make_source().pk)
    row.stored.product_ids = ['a"b', "c\\d", "{e,f}", "NULL", ""]
    record_events(rows=[row])
    assert Event.objects.get().product_ids == ['a"b', "c\\d", "{e,f}", "NULL", ""]


@pytest.mark.django_db
def test_late_partition_receives_the_rows_of_the_default_partition() -> None:
    later = datetime(2031, 5, 4, tzinfo=UTC)
    record_events(rows=build_rows("m1", source_id=make_source().pk, at=later))
    with connection.cursor() as cursor:
        # constraint checks deferred to the end of the test's transaction would prevent altering the table
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert ensure_partitions(as_of=later, months_ahead=0) == ["events_event_2031_05"]
    assert ensure_partitions(as_of=later, months_ahead=0) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_event_2031_05")
        assert cursor.fetchone()[0] == 1
