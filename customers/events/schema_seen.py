"""Which events and properties have arrived lately, from a sample of the latest events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

SAMPLE_EVENTS = 5_000
# properties that the collector adds itself; personal data is stored encrypted under such a name
INTERNAL_PREFIX = "$"

COUNT_EVENTS = """
SELECT s.name, e.type, e.name, count(*), max(e.received_at), min(e.source_id)
FROM events_event e JOIN events_source s ON s.id = e.source_id
WHERE e.id > %(first)s GROUP BY e.source_id, s.name, e.type, e.name
"""
COUNT_PROPERTIES = """
SELECT e.source_id, e.type, e.name, p.key, jsonb_typeof(p.value) AS kind, count(*)
FROM events_event e, jsonb_each(CASE WHEN jsonb_typeof(e.properties) = 'object' THEN e.properties ELSE '{}' END) AS p (key, value)
WHERE e.id > %(first)s AND p.key NOT LIKE %(internal)s
GROUP BY e.source_id, e.type, e.name, p.key, kind
"""


@dataclass(frozen=True, slots=True)
class SeenProperty:
    """A property of an event: the types of its values, and the share of events that have it."""

    name: str
    kinds: tuple[str, ...]
    share: float


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event of a source, with its properties, the most frequent first."""

    source: str
    source_id: int
    type: str
    name: str
    count: int
    last_at: datetime
    properties: Sequence[SeenProperty]


def describe_seen_events() -> list[SeenEvent]:
    """Return the events among the latest ones, the most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM events_event")
        parameters = {"first": cursor.fetchone()[0] - SAMPLE_EVENTS, "internal": f"{INTERNAL_PREFIX}%"}
        cursor.execute(COUNT_EVENTS, parameters)
        rows = cursor.fetchall()
        cursor.execute(COUNT_PROPERTIES, parameters)
        counts: dict[tuple[int, str, str], dict[str, dict[str, int]]] = {}
        for source_id, kind, name, key, value_kind, count in cursor.fetchall():
            counts.setdefault((source_id, kind, name), {}).setdefault(key, {})[value_kind] = count
    events = [
        SeenEvent(
            source,
            source_id,
            kind,
            name,
            total,
            last_at,
            list_properties(counts.get((source_id, kind, name), {}), total),
        )
        for source, kind, name, total, last_at, source_id in rows
    ]
    return sorted(events, key=lambda event: (-event.count, event.name, event.source))


def list_properties(counts: dict[str, dict[str, int]], total: int) -> list[SeenProperty]:
    properties = [
        SeenProperty(name, tuple(sorted(kinds, key=lambda kind: -kinds[kind])), sum(kinds.values()) / total)
        for name, kinds in counts.items()
    ]
    return sorted(properties, key=lambda seen: (-seen.share, seen.name))
