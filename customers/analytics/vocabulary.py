"""What a page offers to choose from: events with their counts, properties with their values."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis

from customers.analytics.expressions.matching import (
    COLUMN_PROPERTIES,
    NUMBER_COLUMNS,
    EventMatch,
    build_property,
    check_property,
)
from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.periods import SECOND
from customers.analytics.expressions.tables import AnalyticsTables
from customers.events.event_taxonomy import lookup_meaning

MAX_EVENTS, MAX_PROPERTIES, MAX_VALUES = 500, 200, 100
# properties are read from this many events; a rarer property can still be typed
SAMPLE_EVENTS = 2_000


@dataclass(frozen=True)
class EventChoice:
    """An event name, its meaning if it has one, and how often and when last it occurred."""

    name: str
    meaning: str
    events: int
    people: int
    last_at: datetime


@dataclass(frozen=True)
class PropertyChoice:
    """A property, in how many sampled events it occurs, and whether its values are numbers."""

    name: str
    events: int
    is_number: bool


@dataclass(frozen=True)
class ValueChoice:
    """A value of a property, and how many events have it."""

    value: str
    events: int


def list_events(tables: AnalyticsTables, days: DateRange) -> list[EventChoice]:
    """Return the events of these days by count, the most frequent first."""
    rows = tables.select_events(days)
    rows = rows.filter(rows.name != "")
    counted = rows.group_by("name").agg(
        events=rows.count(), people=tables.engine.count_distinct(rows.customer_id), last_at=rows["at"].max()
    )
    return [
        EventChoice(
            name=row["name"],
            meaning=str(lookup_meaning(row["name"]) or ""),
            events=row["events"],
            people=row["people"],
            last_at=datetime.fromtimestamp(row["last_at"] / SECOND, tables.zone),
        )
        for row in tables.fetch(counted.order_by(ibis.desc("events"), "name").limit(MAX_EVENTS))
    ]


def list_properties(tables: AnalyticsTables, days: DateRange, event: EventMatch) -> list[PropertyChoice]:
    """Return the properties of an event, the most frequent first, from a sample of the newest events."""
    rows = tables.select_events(days, event)
    sample = rows.order_by(ibis.desc(rows["at"])).limit(SAMPLE_EVENTS)
    counts: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for row in tables.fetch(sample.select("properties", *COLUMN_PROPERTIES, *NUMBER_COLUMNS)):
        values: dict[str, Any] = {
            name: row[name] for name in (*COLUMN_PROPERTIES, *NUMBER_COLUMNS) if row[name] not in (None, "")
        }
        values |= {name: value for name, value in json.loads(row["properties"] or "{}").items() if _is_simple(value)}
        counts.update(values.keys())
        numbers.update(name for name, value in values.items() if not isinstance(value, str | bool))
    return [
        PropertyChoice(name=name, events=count, is_number=numbers[name] == count)
        for name, count in counts.most_common(MAX_PROPERTIES)
    ]


def _is_simple(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""


def list_values(tables: AnalyticsTables, days: DateRange, event: EventMatch, name: str) -> list[ValueChoice]:
    """Return the most frequent values of a property. Raises ParameterError."""
    check_property("property", name)
    rows = tables.select_events(days, event)
    values = rows.select(value=build_property(rows, name, tables.engine))
    counted = values.filter(values.value.notnull()).group_by("value").agg(events=ibis._.count())
    top = counted.order_by(ibis.desc("events"), "value").limit(MAX_VALUES)
    return [ValueChoice(value=row["value"], events=row["events"]) for row in tables.fetch(top)]


def get_recent_days(*, now: datetime, days: int = 90) -> DateRange:
    """Return the last days up to today."""
    today = now.date()
    return DateRange(since=today - timedelta(days=days - 1), until=today)
