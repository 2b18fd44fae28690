"""What the builder offers to choose from; what takes long to count is kept for some minutes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_count
from config.foundation.slow_figures import get_figures
from customers.analytics.backoffice.event_texts import CUSTOMER_LABELS, label_meaning, label_name, label_property
from customers.analytics.expressions.matching import NUMBER_COLUMNS, ORDER_EVENT, EventMatch
from customers.analytics.expressions.parameters import DateRange
from customers.analytics.sources import open_analytics_tables
from customers.analytics.vocabulary import (
    EventChoice,
    PropertyChoice,
    ValueChoice,
    get_recent_days,
    list_events,
    list_properties,
    list_values,
)
from customers.events.event_taxonomy import Meaning
from customers.identity.personal_data.masking import is_personal_id
from customers.segments.customer_list.list_filter import NO_CONDITION
from customers.segments.models import Segment

MAX_SEGMENTS = 200
MEANING, NAME, ANY = "m:", "n:", "*"


@dataclass(frozen=True)
class EventCounts:
    """The events of the last months, and the number of orders."""

    events: list[EventChoice]
    orders: int


@dataclass(frozen=True)
class OptionGroup:
    """Options of a list under a heading: value and text."""

    label: str
    options: list[tuple[str, str]]


def get_days() -> DateRange:
    return get_recent_days(now=timezone.localtime())


def read_event_counts() -> EventCounts:
    """Return the events that exist, with counts."""
    days = get_days()

    def count() -> EventCounts:
        with open_analytics_tables(as_of=timezone.now()) as tables:
            rows = tables.select_events(days, EventMatch(name=ORDER_EVENT))
            return EventCounts(list_events(tables, days), tables.fetch(rows.agg(count=rows.count()))[0]["count"])

    return get_figures(f"analytics.events.{days.until}", EventCounts, count)


def list_event_options(counts: EventCounts, *, with_personal: bool, value: str = "") -> list[OptionGroup]:
    """Return the events to choose from: meanings, then names as sources sent them, the most frequent first."""
    meanings: dict[str, int] = {"purchase": counts.orders}
    for event in counts.events:
        if event.meaning and event.meaning != "purchase":
            meanings[event.meaning] = meanings.get(event.meaning, 0) + event.events
    selected = value.removeprefix(MEANING)
    if value.startswith(MEANING) and selected in Meaning:
        meanings.setdefault(selected, 0)
    common = sorted(meanings.items(), key=lambda item: -item[1])
    options = [(f"{MEANING}{key}", f"{label_meaning(key)} ({format_count(count)})") for key, count in common]
    names = [
        (f"{NAME}{event.name}", f"{name_with_label(event.name)} ({format_count(event.events)})")
        for event in counts.events
        if with_personal or not is_personal_id(event.name)
    ]
    return [
        OptionGroup(_("Common events"), [(ANY, _("Any event")), *options]),
        *([OptionGroup(_("Names used by the source"), names)] if names else []),
    ]


def name_with_label(name: str) -> str:
    label = label_name(name)
    return name if label == name else f"{name} – {label}"


def list_property_options(event: EventMatch) -> list[tuple[str, str]]:
    """Return the properties of an event, the most frequent first."""
    return [(choice.name, label_property(choice.name)) for choice in read_properties(event)]


def list_number_options(events: Sequence[EventMatch]) -> list[tuple[str, str]]:
    """Return the properties of events whose values are numbers."""
    names = {choice.name: None for event in events for choice in read_properties(event) if choice.is_number}
    return [(name, label_property(name)) for name in dict.fromkeys(["value", *names])]


def read_properties(event: EventMatch) -> list[PropertyChoice]:
    days = get_days()

    def count() -> list[PropertyChoice]:
        with open_analytics_tables(as_of=timezone.now()) as tables:
            return [choice for choice in list_properties(tables, days, event) if "'" not in choice.name]

    return get_figures(name_key("properties", event, days), list[PropertyChoice], count)


def list_value_options(event: EventMatch, name: str, *, with_personal: bool) -> list[tuple[str, str]]:
    """Return the values of a property with counts; personal ones only for readers who may see them."""
    days = get_days()

    def count() -> list[ValueChoice]:
        with open_analytics_tables(as_of=timezone.now()) as tables:
            return list_values(tables, days, event, name)

    values = get_figures(name_key(f"values.{name}", event, days), list[ValueChoice], count)
    return [
        (choice.value, f"{choice.value} ({format_count(choice.events)})")
        for choice in values
        if with_personal or not is_personal_id(choice.value)
    ]


def name_key(kind: str, event: EventMatch, days: DateRange) -> str:
    content: Any = [kind, msgspec.to_builtins(event), str(days.until)]
    return f"analytics.{hashlib.sha256(msgspec.json.encode(content)).hexdigest()}"


def list_segments() -> dict[str, str]:
    """Return the names of segments by key."""
    return dict(Segment.objects.order_by("name").values_list("key", "name")[:MAX_SEGMENTS])


def list_segment_filters() -> dict[str, str]:
    """Return the names of the segments by which a page with the choice “All customers” can filter: without those of all customers."""
    segments = Segment.objects.exclude(kind=Segment.Kind.DYNAMIC, condition=NO_CONDITION).order_by("name")
    return dict(segments.values_list("key", "name")[:MAX_SEGMENTS])


def list_breakdown_options(properties: Sequence[tuple[str, str]], segments: dict[str, str]) -> list[OptionGroup]:
    """Return what a result can be split by; not by amounts, which are different for almost every event."""
    properties = [choice for choice in properties if choice[0] not in NUMBER_COLUMNS]
    customers = [(f"customer:{name}", str(label)) for name, label in CUSTOMER_LABELS.items()]
    groups = [OptionGroup(_("Customers"), customers)]
    if properties:
        groups.append(OptionGroup(_("Event property"), [(f"event:{name}", label) for name, label in properties]))
    if segments:
        groups.append(OptionGroup(_("Segments"), [(f"segment:{key}", name) for key, name in segments.items()]))
    return groups
