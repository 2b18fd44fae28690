"""Appended events are read exactly once, also after a killed process, and the next export merges them into one file."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from config.foundation.personal_data.person import Person
from customers.events.models import Event
from customers.processing.models import ProcessingRun
from customers.warehouse import append
from customers.warehouse.append import APPEND_FOLDER, finish_appends, join_appended
from customers.warehouse.connection import open_warehouse
from customers.warehouse.erasure import erase_from_files
from customers.warehouse.export import export_table
from customers.warehouse.models import AppendMark
from customers.warehouse.parquet_files import PART_NAME, ExportStaging, list_current_files, remove_superseded_files
from customers.warehouse.tables import EVENTS
from tests.child_processes import start_child
from tests.customers.processing.event_makers import NOW, order, process, product, send, track

TODAY, YESTERDAY = "2026-11-24", "2026-11-23"


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def send_views(count: int, at: datetime = NOW, prefix: str = "m") -> None:
    send(*[{**track("Product Viewed", product()), "messageId": f"{prefix}{number}"} for number in range(count)], at=at)


def read_rows() -> list[dict[str, Any]]:
    with open_warehouse() as tables:
        return tables["events"].order_by("id").to_pyarrow().to_pylist()


def list_ids() -> list[int]:
    return [row["id"] for row in read_rows()]


def list_stored_ids() -> list[int]:
    return list(Event.objects.order_by("id").values_list("id", flat=True))


def export() -> None:
    export_table(table="events", started_at=NOW)


def list_current_names(root: Path) -> dict[str, list[str]]:
    return {day: [path.name for path in files] for day, files in list_current_files(root, EVENTS).items()}


@pytest.mark.django_db
def test_appended_events_equal_exported_events(root: Path) -> None:
    send_views(2, at=NOW - timedelta(days=1))
    send(order(products=[product("tea", 10, 2)], total=20, currency="EUR", email="ada@example.org"))
    process()
    appended = read_rows()
    assert list_current_names(root) == {day: ["append-000000000001-000000000001.parquet"] for day in (YESTERDAY, TODAY)}
    export()
    assert read_rows() == appended
    assert list_current_names(root) == {YESTERDAY: [PART_NAME], TODAY: [PART_NAME]}
    assert [row["id"] for row in appended] == list_stored_ids()


@pytest.mark.django_db
def test_waiting_events_are_not_exported(root: Path) -> None:
    send_views(2)
    process()
    send_views(3, prefix="w")
    export()
    assert len(read_rows()) == 2
    process()
    assert list_ids() == list_stored_ids()
    assert list_current_names(root)[TODAY] == [PART_NAME, "append-000000000002-000000000002.parquet"]
    export()
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_export_replaces_its_appends_and_keeps_later_ones(root: Path) -> None:
    send_views(2)
    process()
    export()
    superseded = root / "events" / f"date={TODAY}" / "append-000000000001-000000000001.parquet"
    assert superseded.exists(), "a query may still be reading it"
    assert list_current_names(root)[TODAY] == [PART_NAME]
    remove_superseded_files(root, EVENTS, grace_seconds=3600)
    assert superseded.exists()
    remove_superseded_files(root, EVENTS, grace_seconds=-1)
    assert not superseded.exists()
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_old_days_are_not_appended(root: Path) -> None:
    send(track("Product Viewed", product(), timestamp=(NOW - timedelta(days=400)).isoformat()))
    send_views(1)
    process()
    assert len(read_rows()) == 1
    export()
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_many_small_files_of_a_day_are_joined(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "MIN_FILES_TO_JOIN", 5)
    for number in range(7):
        send_views(2, prefix=f"m{number}-")
        process()
    before = read_rows()
    assert join_appended() == 6
    assert list_current_names(root) == {TODAY: ["append-000000000001-000000000007.parquet"]}
    assert read_rows() == before
    send_views(1, prefix="later")
    process()
    assert len(list_current_names(root)[TODAY]) == 2
    assert list_ids() == list_stored_ids()
    export()
    assert list_current_names(root) == {TODAY: [PART_NAME]}
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_only_adjacent_files_are_joined(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A joined file replaces all numbers from its first to its last, so it must not cover a large file in between."""
    monkeypatch.setattr(append, "MIN_FILES_TO_JOIN", 2)
    for number in range(5):
        send_views(200 if number == 2 else 1, prefix=f"m{number}-")
        process()
    large = root / "events" / f"date={TODAY}" / "append-000000000003-000000000003.parquet"
    monkeypatch.setattr(append, "MAX_SMALL_FILE_BYTES", large.stat().st_size)
    join_appended()
    assert list_current_names(root)[TODAY] == [
        f"append-{first:012d}-{last:012d}.parquet" for first, last in ((1, 2), (3, 3), (4, 5))
    ]
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_files_are_not_joined_while_an_export_is_running(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with rows from before and after the snapshot of the export would double those from before."""
    monkeypatch.setattr(append, "MIN_FILES_TO_JOIN", 2)
    for prefix in ("a", "b"):
        send_views(1, prefix=prefix)
        process()
    publish = ExportStaging.publish

    def append_first(staging: ExportStaging) -> None:
        send_views(1, prefix="c")
        process()
        join_appended()
        publish(staging)

    monkeypatch.setattr(ExportStaging, "publish", append_first)
    export()
    assert list_ids() == list_stored_ids()
    assert list_current_names(root)[TODAY] == [PART_NAME, "append-000000000003-000000000003.parquet"]


@pytest.mark.django_db
@pytest.mark.parametrize("committed", [True, False])
def test_drafts_of_a_killed_process_are_published_or_deleted(root: Path, committed: bool) -> None:
    send_views(2)
    process()
    target = root / "events" / f"date={TODAY}" / "append-000000000001-000000000001.parquet"
    left = root / APPEND_FOLDER / ("1" if committed else "2")
    left.mkdir(parents=True)
    target.rename(left / f"{TODAY}.parquet")
    assert read_rows() == []
    finish_appends()
    assert (len(read_rows()), target.exists()) == ((2, True) if committed else (0, False))
    assert not left.exists()


def damage(path: Path, monkeypatch: pytest.MonkeyPatch, *, kept: int = 0) -> None:
    """Leave what a power failure leaves of a file that was not flushed to the disk; the processes start again."""
    path.write_bytes(path.read_bytes()[:kept])
    monkeypatch.setattr(append, "_checked_roots", set())


@pytest.mark.django_db
@pytest.mark.parametrize("kept", [0, 200])
def test_after_a_power_failure_a_damaged_file_does_not_make_all_queries_fail(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kept: int
) -> None:
    for prefix in ("a", "b"):
        send_views(2, prefix=prefix)
        process()
    damaged = root / "events" / f"date={TODAY}" / "append-000000000001-000000000001.parquet"
    damage(damaged, monkeypatch, kept=kept)
    finish_appends()
    assert list_ids() == list_stored_ids()[2:]
    assert str(damaged) in caplog.text
    export()
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_a_damaged_draft_of_a_committed_transaction_is_not_published(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_views(2)
    process()
    target = root / "events" / f"date={TODAY}" / "append-000000000001-000000000001.parquet"
    left = root / APPEND_FOLDER / "1"
    left.mkdir(parents=True)
    target.rename(left / f"{TODAY}.parquet")
    damage(left / f"{TODAY}.parquet", monkeypatch)
    finish_appends()
    assert (list_ids(), left.exists(), target.exists()) == ([], False, False)


@pytest.mark.django_db
def test_damaged_files_are_neither_joined_nor_do_they_stop_an_erasure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append, "MIN_FILES_TO_JOIN", 2)
    for prefix in ("a", "b", "c", "d"):
        send_views(1, prefix=prefix)
        process()
    folder = root / "events" / f"date={TODAY}"
    damage(folder / "append-000000000004-000000000004.parquet", monkeypatch)
    assert erase_from_files([Person(1)]) == 0
    damage(folder / "append-000000000003-000000000003.parquet", monkeypatch)
    assert join_appended() == 1
    assert list_ids() == list_stored_ids()[:2]


@pytest.mark.django_db
def test_files_are_flushed_to_the_disk_before_anyone_reads_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: dict[int, int] = {}

    def record(descriptor: int) -> None:
        status = os.fstat(descriptor)
        flushed[status.st_ino] = status.st_size

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(append, "MIN_FILES_TO_JOIN", 2)

    def is_flushed(path: Path) -> bool:
        return flushed.get(path.stat().st_ino) == path.stat().st_size

    for prefix in ("a", "b"):
        send_views(1, prefix=prefix)
        process()
    files = list_current_files(root, EVENTS)[TODAY]
    assert len(files) == 2
    assert all(map(is_flushed, files))
    join_appended()
    export()
    assert all(map(is_flushed, root.rglob("*.parquet")))


@pytest.mark.django_db
def test_day_without_events_loses_its_files_but_not_later_appends(root: Path) -> None:
    send_views(1)
    process()
    export()
    Event.objects.all().delete()
    export()
    assert list_current_names(root) == {}
    send_views(1, prefix="again")
    process()
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_files_have_the_schema_of_the_table(root: Path) -> None:
    send_views(1)
    process()
    (path,) = list_current_files(root, EVENTS)[TODAY]
    assert pq.read_schema(path).remove_metadata() == EVENTS.schema


@pytest.mark.django_db
def test_export_deletes_superseded_files_after_the_grace_period(root: Path) -> None:
    send_views(1)
    process()
    export()
    long_ago = time.time() - 3600
    for path in (root / "events" / f"date={TODAY}").iterdir():
        os.utime(path, (long_ago, long_ago))
    export()
    assert [path.name for path in (root / "events" / f"date={TODAY}").iterdir()] == [PART_NAME]


FULL = """
import resource
from datetime import UTC, datetime
from customers.processing.pipeline import process_events
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))
done = process_events(at=datetime(2026, 11, 24, 12, 1, tzinfo=UTC))
print(done.events, done.counts["appended"], flush=True)
"""


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_full_disk_does_not_stop_processing_and_the_export_catches_up(root: Path) -> None:
    send_views(2)
    process()
    send_views(300, prefix="full")
    child = start_child(FULL, WAREHOUSE_URL=str(root))
    out, problems = child.communicate(timeout=300)
    assert out.split() == ["300", "0"], problems
    assert "the file would exceed the size limit" in problems
    assert len(read_rows()) == 2
    assert not any((root / APPEND_FOLDER).iterdir())
    run = ProcessingRun.objects.latest("id")
    assert (run.status, run.events) == ("done", 300)
    assert "the file would exceed the size limit" in run.error
    send_views(1, prefix="room")
    process()
    assert len(read_rows()) == 3
    export()
    assert list_ids() == list_stored_ids()


@pytest.mark.django_db
def test_append_numbers_are_rolled_back_with_their_transaction(root: Path) -> None:
    send_views(1)
    process()
    process()
    assert AppendMark.objects.get().number == 1
