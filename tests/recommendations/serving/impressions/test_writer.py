"""Recording an impression takes microseconds and loses nothing while Valkey is available."""

import logging
import os
import time
from typing import Any

import pytest
import redis

from recommendations.serving.impressions import record_impression, stream
from recommendations.serving.impressions.served_entry import ServedEntry, unpack_entry
from recommendations.serving.impressions.writer import ImpressionQueue, process_queue
from tests.child_processes import start_child
from tests.recommendations.serving.impressions.entries import make_entry
from tests.waiting import wait_until

UNREACHABLE = "redis://127.0.0.1:1/0"


def read_stream() -> list[ServedEntry]:
    return [unpack_entry(entry.packed) for entry in stream.read_entries(1000)]


def test_a_recorded_impression_is_in_the_stream_soon_after(valkey: redis.Redis) -> None:
    entries = [make_entry(f"r{number}", arm="a", fallback="popular", first_rank=21) for number in range(3)]
    for entry in entries:
        record_impression(entry)
    wait_until(lambda: valkey.xlen("served") == 3, what="the writer")
    assert read_stream() == entries


def test_a_flush_sends_all_waiting_impressions_in_order(valkey: redis.Redis) -> None:
    writer = ImpressionQueue()
    writer.waiting.extend(make_entry(f"r{number}") for number in range(5000))
    assert writer.flush() == 5000
    assert valkey.xlen("served") == 5000
    assert [entry.recommendation_id for entry in read_stream()[:3]] == ["r0", "r1", "r2"]


def test_while_valkey_is_down_the_queue_fills_up_and_further_impressions_are_counted(
    valkey: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    valkey_url = settings.VALKEY_URL
    settings.VALKEY_URL = UNREACHABLE
    writer = ImpressionQueue(max_waiting=3)
    writer._thread = object()  # type: ignore[assignment]  # no thread: this test flushes
    with caplog.at_level(logging.WARNING, "recommendations.serving.impressions.writer"):
        for number in range(5):
            writer.add(make_entry(f"r{number}"))
            assert writer.flush() == 0
    lines = [line for line in caplog.messages if "impressions wait" in line]
    assert (len(writer.waiting), writer.dropped, len(lines)) == (3, 2, 1)
    settings.VALKEY_URL = valkey_url
    assert writer.flush() == 3
    assert [entry.recommendation_id for entry in read_stream()] == ["r0", "r1", "r2"]
    assert (int(valkey.hget("served-counts", "dropped")), writer.dropped) == (2, 0)  # type: ignore[arg-type]


def test_an_impression_that_cannot_be_packed_is_dropped_and_the_others_are_sent(valkey: redis.Redis) -> None:
    writer = ImpressionQueue()
    writer.waiting.extend([make_entry("good"), make_entry("bad", products=[object()])])  # type: ignore[list-item]
    writer.flush()
    assert [entry.recommendation_id for entry in read_stream()] == ["good"]
    assert writer.dropped == 1


def test_the_stream_has_a_maximum_length(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_ENTRIES", 500)
    writer = ImpressionQueue()
    writer.waiting.extend(make_entry(f"r{number}") for number in range(3000))
    writer.flush()
    assert 500 <= valkey.xlen("served") < 1000


@pytest.mark.acceptance
def test_a_process_sends_its_last_impressions_before_it_exits(valkey: redis.Redis) -> None:
    child = start_child(
        "from tests.recommendations.serving.impressions.entries import make_entry\n"
        "from recommendations.serving.impressions import record_impression\n"
        "record_impression(make_entry('last words'))\n",
        VALKEY_URL=os.environ["VALKEY_URL"],
    )
    _out, problems = child.communicate(timeout=300)
    assert child.returncode == 0, problems
    assert [entry.recommendation_id for entry in read_stream()] == ["last words"]


@pytest.mark.acceptance
def test_a_forked_child_does_not_send_the_impressions_of_its_parent(valkey: redis.Redis) -> None:
    child = start_child(
        "import os, time\n"
        "from tests.recommendations.serving.impressions.entries import make_entry\n"
        "from recommendations.serving.impressions import record_impression\n"
        "from recommendations.serving.impressions.writer import process_queue\n"
        "record_impression(make_entry('parent'))\n"
        "parent = process_queue.writer\n"
        "if os.fork() == 0:\n"
        "    record_impression(make_entry('child'))\n"
        "    process_queue.writer.flush()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "assert process_queue.writer is parent\n",
        VALKEY_URL=os.environ["VALKEY_URL"],
    )
    _out, problems = child.communicate(timeout=300)
    assert child.returncode == 0, problems
    assert sorted(entry.recommendation_id for entry in read_stream()) == ["child", "parent"]


def test_recording_takes_microseconds(valkey: redis.Redis) -> None:
    """The limit is a hundred times the usual duration; a call to Valkey or waiting for a lock would exceed it."""
    entry = make_entry()
    record_impression(entry)
    best = min(measure_recording(entry) for _attempt in range(40))  # a busy machine interrupts some of them
    process_queue.writer.waiting.clear()
    assert best < 100e-6


def measure_recording(entry: ServedEntry) -> float:
    """Return the seconds that recording one impression takes."""
    started = time.perf_counter()
    for _number in range(200):
        record_impression(entry)
    return (time.perf_counter() - started) / 200
