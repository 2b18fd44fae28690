"""The Valkey stream `served`, through which impressions travel.

Scripts write and remove entries; Valkey runs each as one command, so that it happens completely or not at all. `served-counts` counts
dropped, removed and damaged entries; `served-damaged` has the latest damaged ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.foundation.valkey import LuaScript, run_command, run_pipeline, run_script

SERVED, COUNTS, DAMAGED = "served", "served-counts", "served-damaged"
# about 500 bytes each with 20 products: a long outage of the storing worker costs 100 MB of memory at most
MAX_ENTRIES = 200_000
MAX_DAMAGED_ENTRIES = 1_000

APPEND_SCRIPT = LuaScript("""
for index = 3, #ARGV do
    redis.call('XADD', 'served', 'MAXLEN', '~', ARGV[1], '*', 'shown', ARGV[index])
end
if ARGV[2] ~= '0' then redis.call('HINCRBY', 'served-counts', 'dropped', ARGV[2]) end
""")
# 1000 at a time, because Lua limits how many values `unpack` returns; `taken` counts stored entries
REMOVE_SCRIPT = LuaScript("""
local removed = 0
for first = 1, #ARGV, 1000 do
    removed = removed + redis.call('XDEL', 'served', unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call('HINCRBY', 'served-counts', 'taken', removed)
return removed
""")
# an entry that another worker has already moved is no longer in the stream and not counted twice
SET_ASIDE_SCRIPT = LuaScript("""
for index = 2, #ARGV, 3 do
    if redis.call('XDEL', 'served', ARGV[index]) == 1 then
        redis.call(
            'XADD', 'served-damaged', 'MAXLEN', '~', ARGV[1], '*',
            'entry', ARGV[index], 'why', ARGV[index + 1], 'shown', ARGV[index + 2]
        )
        redis.call('HINCRBY', 'served-counts', 'damaged', 1)
    end
end
""")
# XINFO fails for a stream that does not exist yet
ENTRIES_ADDED_SCRIPT = """
if redis.call('EXISTS', 'served') == 0 then return 0 end
local info = redis.call('XINFO', 'STREAM', 'served')
for index = 1, #info, 2 do
    if info[index] == 'entries-added' then return info[index + 1] end
end
return 0
"""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """``number`` is Valkey's id of the entry."""

    number: bytes
    packed: bytes


@dataclass(frozen=True)
class StreamBacklog:
    """Waiting entries, the age of the oldest, and entries that never reached the table."""

    entries: int
    oldest_seconds: float
    dropped: int
    trimmed: int
    damaged: int


def append_entries(packed: Sequence[bytes], *, dropped: int = 0) -> None:
    """Append entries and add to the count of dropped ones. Raises ValkeyDownError."""
    run_script(APPEND_SCRIPT, MAX_ENTRIES, dropped, *packed)


def read_entries(limit: int) -> list[StreamEntry]:
    """Return the oldest entries; those of other programs have empty bytes.

    Raises ValkeyDownError.
    """
    raw_entries: list[tuple[bytes, dict[bytes, bytes] | None]] = run_command("XRANGE", SERVED, "-", "+", "COUNT", limit)
    return [StreamEntry(number, (fields or {}).get(b"shown", b"")) for number, fields in raw_entries]


def remove_entries(entries: Sequence[StreamEntry]) -> int:
    """Remove stored entries; return how many were still there. Raises ValkeyDownError."""
    if not entries:
        return 0
    return int(run_script(REMOVE_SCRIPT, *(entry.number for entry in entries)))


def set_aside_entries(damaged: Sequence[tuple[StreamEntry, str]]) -> None:
    """Move entries that cannot be stored to `served-damaged` for inspection.

    Raises ValkeyDownError.
    """
    if damaged:
        arguments = [part for entry, why in damaged for part in (entry.number, why, entry.packed)]
        run_script(SET_ASIDE_SCRIPT, MAX_DAMAGED_ENTRIES, *arguments)


def measure_backlog(*, at: datetime) -> StreamBacklog:
    """Return the backlog of the stream. Raises ValkeyDownError."""

    def queue_commands(pipeline: Any) -> None:
        pipeline.xlen(SERVED)
        pipeline.xrange(SERVED, count=1)
        pipeline.hgetall(COUNTS)
        pipeline.execute_command("EVAL", ENTRIES_ADDED_SCRIPT, 0)

    length, oldest, counts, added = run_pipeline(queue_commands)
    count = {name.decode(): int(value) for name, value in counts.items()}
    age = at.timestamp() - int(oldest[0][0].split(b"-")[0]) / 1000 if oldest else 0.0
    # what was added and is neither waiting nor removed by us was trimmed by MAXLEN
    removed = count.get("taken", 0) + count.get("damaged", 0)
    return StreamBacklog(
        length, max(0.0, age), count.get("dropped", 0), max(0, int(added) - length - removed), count.get("damaged", 0)
    )
