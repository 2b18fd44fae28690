"""Events are deleted after the retention of their source; fully expired months are dropped."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.foundation.database.partitions import ensure_partitions, list_partitions
from customers.events import retention
from customers.events.collector.event_store import record_events
from customers.events.models import Event, EventReceipt, Outbox, Source
from customers.events.retention import purge_events, purge_receipts, purge_rejected_events
from customers.events.stored_data.retention_kinds import list_source_kinds
from tests.customers.events.client import build_rejected_item, build_rows
from tests.makers import NOON, make_source

pytestmark = pytest.mark.django_db

SPRING = datetime(2031, 3, 10, tzinfo=UTC)


def record(message_id: str, source: Source, at: datetime, *, processed: bool = True) -> None:
    record_events(rows=build_rows(message_id, source_id=source.pk, at=at))
    if processed:
        Outbox.objects.all().delete()


def list_message_ids() -> list[str]:
    return sorted(Event.objects.values_list("message_id", flat=True))


def list_months() -> set[str]:
    return {name for name, month in list_partitions() if month is not None and month.year == 2031}


def test_only_old_receipts_and_rejected_events_are_deleted() -> None:
    source_id, old = make_source().pk, NOON - timedelta(days=31)
    record_events(
        rows=build_rows("old", source_id=source_id, at=old), rejected=[build_rejected_item(source_id=source_id, at=old)]
    )
    record_events(rows=build_rows("young", source_id=source_id))
    limit = NOON - timedelta(days=30)
    assert (purge_receipts(before=limit), purge_rejected_events(before=limit)) == (2, 1)
    assert EventReceipt.objects.get().message_id == "young"
    assert Event.objects.count() == 2


def test_receipts_are_searched_once_and_deleted_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    source_id, old = make_source().pk, NOON - timedelta(days=31)
    for number in range(5):
        record_events(rows=build_rows(f"old {number}", source_id=source_id, at=old))
    with CaptureQueriesContext(connection) as queries:
        assert purge_receipts(before=NOON - timedelta(days=30)) == 5
    assert [query["sql"].split()[0] for query in queries] == ["DECLARE", "DELETE", "DELETE", "DELETE"]
    assert not EventReceipt.objects.exists()


def test_expired_month_is_dropped_and_a_shorter_retention_deletes_its_own_rows() -> None:
    ensure_partitions(as_of=SPRING)
    long_source, short_source = make_source("long", retention_days=50), make_source("short", retention_days=10)
    for message_id, source, day in (
        ("long-march", long_source, 0),
        ("short-march", short_source, 0),
        ("long-april", long_source, 31),
        ("short-april", short_source, 31),
        ("short-may", short_source, 60),
    ):
        record(message_id, source, SPRING + timedelta(days=day))
    dropped, deleted = purge_events(as_of=SPRING + timedelta(days=75))
    assert ("events_event_2031_03" in dropped, deleted) == (True, 2)
    assert list_message_ids() == ["long-april"]
    assert list_months() == {"events_event_2031_04", "events_event_2031_05"}


def test_event_that_waits_in_the_outbox_is_not_deleted() -> None:
    ensure_partitions(as_of=SPRING)
    source = make_source(retention_days=10)
    record("processed", source, SPRING)
    record("waiting", source, SPRING, processed=False)
    dropped, deleted = purge_events(as_of=SPRING + timedelta(days=400))
    assert ("events_event_2031_03" in dropped, deleted) == (False, 1)
    assert list_message_ids() == ["waiting"]
    Outbox.objects.all().delete()
    dropped, _deleted = purge_events(as_of=SPRING + timedelta(days=400))
    assert "events_event_2031_03" in dropped
    assert list_message_ids() == []


def test_event_in_the_default_partition_is_deleted_like_any_other() -> None:
    source = make_source(retention_days=10)
    record("late", source, datetime(2019, 1, 1, tzinfo=UTC))
    assert purge_events(as_of=SPRING)[1] == 1
    assert list_message_ids() == []


def test_short_retention_of_one_source_does_not_affect_others() -> None:
    long_source, short_source = make_source("long", retention_days=4000), make_source("short", retention_days=1)
    record("long", long_source, SPRING)
    record("short", short_source, SPRING)
    purge_events(as_of=SPRING + timedelta(days=5))
    assert list_message_ids() == ["long"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_event_default")
        assert cursor.fetchone()[0] == 1


def test_the_period_of_an_imported_event_starts_on_the_day_of_the_import() -> None:
    source = make_source("archive", retention_days=10)
    record("imported", source, SPRING)
    Event.objects.update(occurred_at=SPRING - timedelta(days=400))
    assert purge_events(as_of=SPRING + timedelta(days=5))[1] == 0
    [kind] = list_source_kinds()
    assert "for imported events from the day of the import" in str(kind.note)
