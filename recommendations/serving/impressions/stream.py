"""The stream in Valkey through which impressions travel: `served`.

Entries are written and removed by scripts of one command each, so that either all of it happens or nothing. `served-counts`
counts what was dropped before it got here, what was taken off, and what was set aside because it could not be read;
`served-damaged` keeps the last of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.foundation.valkey import Script, run_command, run_pipeline, run_script

SERVED, COUNTS, DAMAGED = "served", "served-counts", "served-damaged"
# About 500 bytes each with 20 products: a worker that is gone for long costs a hundred megabytes, not the server.
MOST_KEPT = 200_000
MOST_DAMAGED_KEPT = 1_000

APPEND = Script("""
for at = 3, #ARGV do
    redis.call('XADD', 'served', 'MAXLEN', '~', ARGV[1], '*', 'shown', ARGV[at])
end
if ARGV[2] ~= '0' then redis.call('HINCRBY', 'served-counts', 'dropped', ARGV[2]) end
""")
TAKE_OFF = Script("""
local gone = 0
for at = 1, #ARGV, 1000 do
    gone = gone + redis.call('XDEL', 'served', unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
redis.call('HINCRBY', 'served-counts', 'taken', gone)
return gone
""")
SET_ASIDE = Script("""
for at = 2, #ARGV, 3 do
    if redis.call('XDEL', 'served', ARGV[at]) == 1 then
        redis.call(
            'XADD', 'served-damaged', 'MAXLEN', '~', ARGV[1], '*',
            'entry', ARGV[at], 'why', ARGV[at + 1], 'shown', ARGV[at + 2]
        )
        redis.call('HINCRBY', 'served-counts', 'damaged', 1)
    end
end
""")
# a stream that was never written is no error
ADDED = """
if redis.call('EXISTS', 'served') == 0 then return 0 end
local told = redis.call('XINFO', 'STREAM', 'served')
for at = 1, #told, 2 do
    if told[at] == 'entries-added' then return told[at + 1] end
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """``number`` is Valkey's id of it."""

    number: bytes
    packed: bytes


@dataclass(frozen=True)
class Wait:
    """What waits in the stream, since when, and what never reached the table."""

    entries: int
    oldest_seconds: float
    dropped: int
    trimmed: int
    damaged: int


def append(packed: Sequence[bytes], *, dropped: int = 0) -> None:
    """Adds entries, and to the count of those that had to be dropped before. Raises ValkeyDownError."""
    run_script(APPEND, MOST_KEPT, dropped, *packed)


def read(most: int) -> list[Entry]:
    """The oldest entries; what is none of ours comes with empty bytes. Raises ValkeyDownError."""
    found: list[tuple[bytes, dict[bytes, bytes] | None]] = run_command("XRANGE", SERVED, "-", "+", "COUNT", most)
    return [Entry(number, (fields or {}).get(b"shown", b"")) for number, fields in found]


def take_off(entries: Sequence[Entry]) -> int:
    """Removes entries that are stored; how many were still there. Raises ValkeyDownError."""
    if not entries:
        return 0
    return int(run_script(TAKE_OFF, *(entry.number for entry in entries)))


def set_aside(damaged: Sequence[tuple[Entry, str]]) -> None:
    """Moves entries that can never be stored to where somebody may look at them. Raises ValkeyDownError."""
    if damaged:
        given = [part for entry, why in damaged for part in (entry.number, why, entry.packed)]
        run_script(SET_ASIDE, MOST_DAMAGED_KEPT, *given)


def measure_wait(*, at: datetime) -> Wait:
    """Raises ValkeyDownError."""

    def ask(pipeline: Any) -> None:
        pipeline.xlen(SERVED)
        pipeline.xrange(SERVED, count=1)
        pipeline.hgetall(COUNTS)
        pipeline.execute_command("EVAL", ADDED, 0)

    length, oldest, counts, added = run_pipeline(ask)
    count = {name.decode(): int(value) for name, value in counts.items()}
    age = at.timestamp() - int(oldest[0][0].split(b"-")[0]) / 1000 if oldest else 0.0
    gone = count.get("taken", 0) + count.get("damaged", 0)
    return Wait(
        length, max(0.0, age), count.get("dropped", 0), max(0, int(added) - length - gone), count.get("damaged", 0)
    )
