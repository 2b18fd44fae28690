"""Noting what was shown costs nothing, loses nothing while Valkey answers, and never more than it may while it does not."""

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
from tests.recommendations.serving.impressions.shown import shown
from tests.waiting import wait_until

NOWHERE = "redis://127.0.0.1:1/0"


def waiting() -> list[ServedEntry]:
    return [unpack_entry(entry.packed) for entry in stream.read_entries(1000)]


def test_what_was_noted_is_in_the_stream_a_moment_later(valkey: redis.Redis) -> None:
    given = [shown(f"r{number}", arm="a", fallback="popular", first_rank=21) for number in range(3)]
    for one in given:
        record_impression(one)
    wait_until(lambda: valkey.xlen("served") == 3, what="the writer")
    assert waiting() == given


def test_flush_sends_what_waits_at_once_and_in_order(valkey: redis.Redis) -> None:
    writer = ImpressionQueue()
    writer.waiting.extend(shown(f"r{number}") for number in range(5000))
    assert writer.flush() == 5000
    assert valkey.xlen("served") == 5000
    assert [one.recommendation_id for one in waiting()[:3]] == ["r0", "r1", "r2"]


def test_while_valkey_is_down_some_wait_and_the_others_are_counted_with_one_line(
    valkey: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    there = settings.VALKEY_URL
    settings.VALKEY_URL = NOWHERE
    writer = ImpressionQueue(most=3)
    writer._thread = object()  # type: ignore[assignment]  # no thread: this test flushes
    with caplog.at_level(logging.WARNING, "recommendations.serving.impressions.writer"):
        for number in range(5):
            writer.note(shown(f"r{number}"))
            assert writer.flush() == 0
    lines = [line for line in caplog.messages if "impressions wait" in line]
    assert (len(writer.waiting), writer.dropped, len(lines)) == (3, 2, 1)
    settings.VALKEY_URL = there
    assert writer.flush() == 3
    assert [one.recommendation_id for one in waiting()] == ["r0", "r1", "r2"]
    assert (int(valkey.hget("served-counts", "dropped")), writer.dropped) == (2, 0)  # type: ignore[arg-type]


def test_what_cannot_be_packed_is_dropped_and_the_others_go(valkey: redis.Redis) -> None:
    writer = ImpressionQueue()
    writer.waiting.extend([shown("good"), shown("bad", products=[object()])])  # type: ignore[list-item]
    writer.flush()
    assert [one.recommendation_id for one in waiting()] == ["good"]
    assert writer.dropped == 1


def test_stream_does_not_grow_for_ever_when_nobody_stores(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_ENTRIES", 500)
    writer = ImpressionQueue()
    writer.waiting.extend(shown(f"r{number}") for number in range(3000))
    writer.flush()
    assert 500 <= valkey.xlen("served") < 1000


@pytest.mark.acceptance
def test_process_that_ends_sends_its_last_moment(valkey: redis.Redis) -> None:
    child = start_child(
        "from tests.recommendations.serving.impressions.shown import shown\n"
        "from recommendations.serving.impressions import record_impression\n"
        "record_impression(shown('last words'))\n",
        VALKEY_URL=os.environ["VALKEY_URL"],
    )
    _out, problems = child.communicate(timeout=60)
    assert child.returncode == 0, problems
    assert [one.recommendation_id for one in waiting()] == ["last words"]


@pytest.mark.acceptance
def test_forked_child_sends_its_own_and_not_its_parents(valkey: redis.Redis) -> None:
    child = start_child(
        "import os, time\n"
        "from tests.recommendations.serving.impressions.shown import shown\n"
        "from recommendations.serving.impressions import record_impression\n"
        "from recommendations.serving.impressions.writer import process_queue\n"
        "record_impression(shown('parent'))\n"
        "parent = process_queue.writer\n"
        "if os.fork() == 0:\n"
        "    record_impression(shown('child'))\n"
        "    process_queue.writer.flush()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "assert process_queue.writer is parent\n",
        VALKEY_URL=os.environ["VALKEY_URL"],
    )
    _out, problems = child.communicate(timeout=60)
    assert child.returncode == 0, problems
    assert sorted(one.recommendation_id for one in waiting()) == ["child", "parent"]


def test_noting_takes_microseconds(valkey: redis.Redis) -> None:
    """A bound of a hundred times what it takes: a call to Valkey, or a lock that is waited for, would pass it."""
    given = shown()
    record_impression(given)
    best = min(timed(given) for _attempt in range(5))
    process_queue.writer.waiting.clear()
    assert best < 100e-6


def timed(given: ServedEntry) -> float:
    began = time.perf_counter()
    for _number in range(200):
        record_impression(given)
    return (time.perf_counter() - began) / 200
