"""A file import follows the collector's rules, stores events once and counts every line."""

import csv
import gzip
import itertools
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.events.imports import file_import
from customers.events.imports.file_import import EventImportResult, import_events, import_items
from customers.events.imports.import_summary import format_summary
from customers.events.imports.line_reader import UnreadableEventFileError
from customers.events.models import Event, Outbox, RejectedEvent
from tests.customers.events.client import make_keyed_source, send, track
from tests.makers import NOON, make_source
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
LOG = """\
203.0.113.9 - - [24/Nov/2026:10:42:00 +0000] "GET /search?q=tea HTTP/1.1" 200 5 "-" "Firefox"
203.0.113.9 - - [24/Nov/2026:10:42:09 +0000] "GET /product/7 HTTP/1.1" 200 5 "-" "Firefox"
203.0.113.9 - - [24/Nov/2026:10:42:09 +0000] "GET /static/app.js HTTP/1.1" 200 5 "-" "Firefox"
66.249.66.1 - - [24/Nov/2026:10:42:10 +0000] "GET /product/7 HTTP/1.1" 200 5 "-" "Googlebot/2.1"
203.0.113.9 - - [24/Nov/2026:10:42:11 +0000] "POST /cart HTTP/1.1" 200 5 "-" "Firefox"
what is this
203.0.113.9 - - [24/Nov/2026:10:42:12 +0000] "GET /cart HTTP/1.1" 503 5 "-" "Firefox"
"""


def write_lines(folder: Path, *lines: Any) -> Path:
    path = folder / "events.jsonl"
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(text + b"\n" for text in texts))
    return path


def run_import(path: Path, key: str = "shop", **options: Any) -> EventImportResult:
    options = {"received_at": NOON, "errors": path.with_name("errors.csv"), **options}
    return import_events(path=path, source=make_source(key), **options)


def read_errors(path: Path | None) -> list[tuple[str, str]]:
    assert path is not None
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [(row["line"], row["code"]) for row in csv.DictReader(stream)]


def test_imported_events_keep_their_time_and_wait_in_the_outbox(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path,
        track("Product Viewed", messageId="m1", timestamp="2025-03-01T10:00:00Z", properties={"product_id": "p1"}),
        {"batch": [track(messageId="m2", timestamp="2025-03-02T10:00:00Z", sentAt="2025-03-02T10:00:01Z")]},
    )
    imported = run_import(path)
    assert (imported.lines, imported.events, imported.accepted, imported.rejected) == (2, 2, 2, 0)
    assert imported.error_file is None
    first, second = Event.objects.order_by("message_id")
    assert (first.name, first.product_ids, first.received_at) == ("Product Viewed", ["p1"], NOON)
    assert [f"{event.occurred_at:%F %T}" for event in (first, second)] == ["2025-03-01 10:00:00", "2025-03-02 10:00:00"]
    assert Outbox.objects.count() == 2


def test_invalid_lines_are_listed_with_their_numbers_and_do_not_affect_others(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path,
        track(messageId="m1"),
        b"",
        b"{broken",
        {"type": "track", "event": "nobody", "messageId": "m2"},
        b"hello",
        {"batch": [track(messageId="m3"), {"type": "walk", "userId": "u1"}, 5]},
        b'{"type":"track","event":"A","userId":"u1","messageId":"m4","properties":{"n":NaN}}',
        track(messageId="m5", note="x" * 40_000),
        b'{"event":"' + b"x" * 600_000 + b'"}',
        b'{"event":"\xff"}',
    )
    imported = run_import(path)
    assert (imported.lines, imported.accepted) == (9, 2)
    assert read_errors(imported.error_file) == [
        ("3", "invalid_json"),
        ("4", "missing_identity"),
        ("5", "invalid_json"),
        ("6", "unknown_type"),
        ("6", "invalid_event"),
        ("7", "invalid_text"),
        ("8", "event_too_large"),
        ("9", "too_large"),
        ("10", "invalid_encoding"),
    ]
    assert imported.problems == Counter(code for _line, code in read_errors(imported.error_file))
    # items are saved so that they can be corrected; anything else is only in the error file
    assert set(RejectedEvent.objects.values_list("code", flat=True)) == {
        "invalid_json",
        "invalid_text",
        "missing_identity",
        "unknown_type",
        "invalid_event",
        "event_too_large",
    }


def test_second_import_of_a_file_changes_nothing(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path, *(track(messageId=f"m{n}") for n in range(50)), {"type": "track"}, track(messageId="m1")
    )
    first, second = run_import(path), run_import(path)
    assert (first.accepted, first.duplicates, first.rejected) == (50, 1, 1)
    assert (second.accepted, second.duplicates, second.rejected) == (0, 51, 1)
    assert (Event.objects.count(), Outbox.objects.count(), RejectedEvent.objects.count()) == (50, 50, 1)


@pytest.mark.parametrize("batch", [1, 7, 2000])
def test_every_line_of_a_log_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(file_import, "BATCH_ITEMS", batch)
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(LOG.encode()))
    for accepted in (2, 0):
        imported = run_import(path)
        assert (imported.lines, imported.events, imported.accepted) == (7, 2, accepted)
        assert imported.skipped == {"no_event": 1, "bot": 1, "other_method": 1, "failed_call": 1}
        assert imported.sections == {"/static": 1}
        assert read_errors(imported.error_file) == [("6", "unreadable_line")]
    assert imported.lines == imported.events + imported.skipped.total() + imported.rejected
    searched, viewed = Event.objects.order_by("occurred_at")
    assert (searched.name, searched.properties) == ("Products Searched", {"query": "tea"})
    assert (viewed.name, viewed.product_ids) == ("Product Viewed", ["7"])
    assert searched.anonymous_id == viewed.anonymous_id != ""
    assert "203.0.113.9" not in str(Event.objects.values())


def test_dry_run_counts_the_same_and_writes_nothing(tmp_path: Path) -> None:
    run_import(write_lines(tmp_path, track(messageId="m0")))
    path = write_lines(
        tmp_path, *(track(messageId=f"m{n}") for n in range(5)), track(messageId="m1"), {"type": "track"}, b"x"
    )
    preview = run_import(path, dry_run=True)
    assert (Event.objects.count(), RejectedEvent.objects.count()) == (1, 0)
    assert read_errors(preview.error_file) == [("7", "missing_identity"), ("8", "invalid_json")]
    result = run_import(path)
    assert (
        (preview.accepted, preview.duplicates, preview.problems)
        == (result.accepted, result.duplicates, result.problems)
        != (0, 0, {})
    )


def test_events_are_stored_in_the_order_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_import, "WRITERS", 1)
    monkeypatch.setattr(file_import, "BATCH_ITEMS", 10)
    run_import(write_lines(tmp_path, *(track(messageId=f"m{n:03d}") for n in range(95))))
    assert list(Event.objects.order_by("id").values_list("message_id", flat=True)) == [f"m{n:03d}" for n in range(95)]


def test_progress_ends_at_the_end_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_import, "BATCH_ITEMS", 10)
    path = write_lines(tmp_path, *(track(messageId=f"m{n}") for n in range(95)))
    reports: list[tuple[int, int, int]] = []
    run_import(path, watch=lambda imported, position, size: reports.append((imported.lines, position, size)))
    assert len(reports) == 10
    assert reports == sorted(reports)
    assert reports[-1] == (95, path.stat().st_size, path.stat().st_size)


def test_truncated_file_keeps_the_events_stored_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_import, "BATCH_ITEMS", 10)
    path = tmp_path / "events.jsonl.gz"
    complete = gzip.compress(
        "\n".join(json.dumps(track(messageId=f"m{n}", note=f"{n * n:x}" * 300)) for n in range(3000)).encode()
    )
    path.write_bytes(complete[: len(complete) // 2])
    with pytest.raises(UnreadableEventFileError, match="is truncated or damaged"):
        run_import(path)
    before = Event.objects.count()
    assert 0 < before < 3000
    path.write_bytes(complete)
    second = run_import(path)
    assert (second.accepted, second.duplicates) == (3000 - before, before)


def test_a_first_line_without_json_does_not_hide_the_format(tmp_path: Path) -> None:
    imported = run_import(write_lines(tmp_path, b"exported 2026-01-01", track(messageId="m1"), track(messageId="m2")))
    assert (imported.accepted, imported.problems) == (2, {"invalid_json": 1})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"type":"track"}]', r"is a JSON array; write one object per line, for example with: jq"),
        (
            b"date,event\n2026-01-01,view\n",
            r"starts with 'date,event', which is neither JSON Lines nor the combined log format",
        ),
        (b"", "is empty"),
    ],
)
def test_unsupported_file_error_names_the_supported_formats(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(UnreadableEventFileError, match=message):
        run_import(path)


def test_log_with_invalid_first_lines_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(f"restarted\n{LOG}")
    assert run_import(path).accepted == 2


def test_concurrent_import_into_the_same_source_is_rejected(tmp_path: Path) -> None:
    source = make_source()
    path = write_lines(tmp_path, track(messageId="m1"), track(messageId="m2"))
    connection.close()  # the import below takes its lock in a session of its own

    def import_again(_position: int) -> None:
        with pytest.raises(AlreadyRunningError):
            run_import(path)

    def import_in_thread(position: int) -> None:
        thread = Thread(target=run_in_own_session, args=(import_again, position))
        thread.start()
        thread.join()

    import_items(
        items=[(1, [json.dumps(track(messageId="m3")).encode()])],
        source=source,
        received_at=NOON,
        watch=import_in_thread,
    )
    assert Event.objects.count() == 1


def run_in_own_session(call: Any, position: int) -> None:
    try:
        call(position)
    finally:
        connection.close()


def test_writers_close_their_connections(tmp_path: Path) -> None:
    path = write_lines(tmp_path, *(track(messageId=f"m{n}") for n in range(5)))
    connection.close()
    connection.close_pool()  # that earlier tests have filled
    for _repetition in range(3):
        run_import(path)  # closed connections go back to the pool of the process
    own = 1 + file_import.WRITERS
    # the server ends a session a little after it was closed
    wait_until(lambda: count_sessions() <= own, what="the end of all sessions but those of the test and of one import")


def count_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


ids = st.sampled_from(["", "u1", "u2", "null", 7, None, ["u"], "x" * 300])
items = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "page", "alias", "group", "screen", "walk", 5]),
        "event": st.sampled_from(["Product Viewed", "Order Completed", "", "own name", 3, "x" * 300]),
        "userId": ids,
        "anonymousId": ids,
        "messageId": st.sampled_from([f"m{n}" for n in range(30)] + ["x" * 200]),
        "timestamp": st.sampled_from(["2026-05-01T10:00:00Z", "yesterday", 1_700_000_000, "1960-01-01T00:00:00Z"]),
        "properties": st.sampled_from([{}, [], "x", {"product_id": "p1", "price": 2}, {"email": "a@b.example"}]),
        "context": st.sampled_from(
            [{}, {"sessionId": "s1"}, 4, {"consent": {"categoryPreferences": {"analytics": False}}}]
        ),
        "groupId": ids,
        "previousId": ids,
    },
)
# The examples of one run share a database, so each needs a source key of its own.
source_numbers = itertools.count()
COLUMNS = ("type", "name", "user_id", "anonymous_id", "session_id", "product_ids", "value", "occurred_at")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(items, min_size=1, max_size=40))
def test_import_accepts_the_same_items_as_the_collector(tmp_path: Path, item_list: list[dict[str, Any]]) -> None:
    Event.objects.all().delete()
    RejectedEvent.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE events_eventreceipt, events_outbox")
    numbered = [{"messageId": f"own-{number}", **item} for number, item in enumerate(item_list)]
    source, key = make_keyed_source(f"http-{next(source_numbers)}")
    response = send({"batch": numbered}, key).json()
    imported = run_import(write_lines(tmp_path, *numbered), received_at=NOON + timedelta(seconds=1))
    assert (imported.accepted + imported.duplicates, imported.duplicates, imported.rejected) == (
        response["accepted"],
        response["duplicates"],
        response["rejected"],
    )
    assert list_stored(source.key) == list_stored("shop")
    assert list_rejected(source.key) == list_rejected("shop")


def list_stored(key: str) -> list[tuple[Any, ...]]:
    """Return the columns to compare, with the time only if the sender gave one."""
    rows = (
        Event.objects.filter(source__key=key).order_by("message_id").values_list("message_id", "received_at", *COLUMNS)
    )
    return [(*row[:1], *row[2:-1], None if row[-1] == row[1] else row[-1]) for row in rows]


def list_rejected(key: str) -> list[tuple[str, str]]:
    return sorted(RejectedEvent.objects.filter(source__key=key).values_list("code", "reason"))


def test_characters_that_cannot_be_stored_are_replaced_in_imported_events(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path,
        b'{"type":"track","event":"A","userId":"u1","messageId":"m1","properties":{"\\ud83d":["\\u0000"]}}',
        b'{"batch":[{"type":"track","event":"B\\ud83d","userId":"u1","messageId":"m2"}]}',
    )
    imported = run_import(path)
    assert (imported.accepted, imported.warnings) == (2, {"replaced_characters": 2})
    assert "    replaced_characters" in format_summary(imported, 1.0)
    first, second = Event.objects.order_by("message_id")
    assert (first.properties, second.name) == ({"\ufffd": ["\ufffd"]}, "B\ufffd")
