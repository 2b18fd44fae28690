"""What one customer has in the fields of conditions, and which conditions it meets, read for all conditions at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, F, Func, JSONField, OuterRef, Q, Subquery, Value

from customers.identity.models import Consent, Customer
from customers.segments.conditions.condition_tree import Comparison, EventSequence, Group, Negation, Node
from customers.segments.conditions.consents import compile_effective_consent
from customers.segments.conditions.event_conditions import SeriesIds
from customers.segments.conditions.fields import (
    ALLOWED_PREFIX,
    ALLOWED_YES,
    CONSENT_NONE,
    CONSENT_PREFIX,
    TRAIT_PREFIX,
    ConditionField,
    FieldType,
)
from customers.segments.explanation.event_values import EventValue, list_periods, read_event_values

MAX_COLUMNS = 500  # of one query; PostgreSQL has at most 1,664

type Leaf = Comparison | EventSequence


def iterate_leaves(node: Node) -> Iterator[Leaf]:
    """Yield the comparisons and sequences of a tree, from left to right."""
    if isinstance(node, Negation):
        yield from iterate_leaves(node.child)
    elif isinstance(node, Group):
        for child in node.children:
            yield from iterate_leaves(child)
    else:
        yield node


def is_event(leaf: Leaf) -> bool:
    return isinstance(leaf, EventSequence) or leaf.field.kind == FieldType.EVENT


@dataclass
class CustomerFieldValues:
    """The values of one customer that conditions compare.

    Attributes:
        columns: by lookup from ``Customer``, those of latest rows by field name. traits: by field name. consents: the latest status by field name.
        events: of each event condition, by its identity. live: numbers that change with every event, by field name.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    consents: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[int, list[EventValue]] = field(default_factory=dict)
    live: Mapping[str, float] = field(default_factory=dict)

    def find(self, comparison: Comparison) -> Any:
        """Return the value that a comparison compares; None if it is unknown."""
        name = comparison.field.name
        if name.startswith(CONSENT_PREFIX):
            return self.consents.get(name, CONSENT_NONE)
        if name.startswith(ALLOWED_PREFIX):
            return self.consents.get(name)
        if comparison.field.kind == FieldType.TRAIT:
            return self.traits.get(name)
        if comparison.field.live_values is not None:
            return self.live.get(name)
        return self.columns.get(comparison.field.name if comparison.field.latest else comparison.field.lookup)


def match_filters(filters: Mapping[str, Q], *, customer_id: int) -> dict[str, bool]:
    """Return which of the filters, by name, match a customer who is not erased; {} for an erased one."""
    met: dict[str, bool] = {}
    customers = Customer.objects.filter(pk=customer_id, erased_at__isnull=True)
    for names in batched(filters, MAX_COLUMNS):
        flags = {f"met_{number}": ExpressionWrapper(filters[name], BooleanField()) for number, name in enumerate(names)}
        for row in customers.annotate(**flags).values(*flags):
            met |= {name: bool(row[f"met_{number}"]) for number, name in enumerate(names)}
    return met


def read_customer_values(
    leaves: Sequence[Leaf], *, customer_id: int, series: SeriesIds, as_of: datetime
) -> CustomerFieldValues:
    """Return what the conditions compare, in at most five queries."""
    compared = [leaf for leaf in leaves if isinstance(leaf, Comparison)]
    traits = sorted({leaf.field.name for leaf in compared if leaf.field.kind == FieldType.TRAIT})
    lookups = sorted({leaf.field.lookup for leaf in compared if leaf.field.lookup and not leaf.field.latest})
    latest = {leaf.field.name: leaf.field for leaf in compared if leaf.field.latest}
    row = read_columns(lookups, traits, latest, customer_id, as_of) if lookups or traits or latest else {}
    purposes = {leaf.field.name for leaf in compared if leaf.field.name.startswith(CONSENT_PREFIX)}
    events = [leaf for leaf in leaves if is_event(leaf)]
    periods = [list_periods(leaf, as_of) for leaf in events]
    values = iter(
        read_event_values([each for pair in periods for each in pair], customer_id=customer_id, series=series)
        if events
        else []
    )
    return CustomerFieldValues(
        columns={name: row.get(name) for name in (*lookups, *latest)},
        traits={name: row.get(f"trait_{number}") for number, name in enumerate(traits)},
        consents=(read_consents(customer_id, as_of) if purposes else {})
        | read_allowed(customer_id, as_of, {leaf.field.name for leaf in compared}),
        live=read_live_values(compared, customer_id=customer_id, as_of=as_of),
        events={id(leaf): [next(values) for _period in pair] for leaf, pair in zip(events, periods, strict=True)},
    )


def read_live_values(compared: Sequence[Comparison], *, customer_id: int, as_of: datetime) -> dict[str, float]:
    """Return the customer's current values of live fields, by field name."""
    readers = {each.field.name: each.field.live_values for each in compared if each.field.live_values is not None}
    values = {name: read(as_of, [customer_id]).get(customer_id) for name, read in readers.items()}
    return {name: round(value, 3) for name, value in values.items() if value is not None}


def read_columns(
    lookups: Sequence[str],
    traits: Sequence[str],
    latest: Mapping[str, ConditionField],
    customer_id: int,
    as_of: datetime,
) -> dict[str, Any]:
    """Return columns by lookup, those of latest rows by field name, and traits as ``trait_0`` and so on, encrypted ones as they are."""
    annotations: dict[str, Any] = {name: select_latest(entry, as_of) for name, entry in latest.items()}
    annotations |= {
        f"trait_{number}": Func(
            F("traits"),
            Value(name.removeprefix(TRAIT_PREFIX)),
            function="jsonb_extract_path",
            output_field=JSONField(),
        )
        for number, name in enumerate(traits)
    }
    customers = Customer.objects.filter(pk=customer_id).annotate(**annotations)
    return customers.values(*lookups, *annotations).first() or {}


def select_latest(entry: ConditionField, as_of: datetime) -> Subquery:
    """Return the value of a field of a customer's latest row."""
    assert entry.latest is not None
    latest = entry.latest
    rows = latest.model._default_manager.filter(
        **dict(latest.only), **{f"{latest.time}__lte": as_of}, customer=OuterRef("pk")
    )
    return Subquery(rows.order_by(f"-{latest.time}", "-pk").values(entry.lookup)[:1])


def read_allowed(customer_id: int, as_of: datetime, names: Iterable[str]) -> dict[str, str]:
    """Return "yes" or "no" for each field of a purpose that the customer allows."""
    purposes = sorted(name.removeprefix(ALLOWED_PREFIX) for name in names if name.startswith(ALLOWED_PREFIX))
    if not purposes:
        return {}
    conditions = {
        purpose: ExpressionWrapper(compile_effective_consent(purpose=purpose, as_of=as_of), BooleanField())
        for purpose in purposes
    }
    row = Customer.objects.filter(pk=customer_id).annotate(**{f"is_{key}": value for key, value in conditions.items()})
    flags = row.values(*(f"is_{purpose}" for purpose in purposes)).first() or {}
    return {f"{ALLOWED_PREFIX}{purpose}": ALLOWED_YES if flags.get(f"is_{purpose}") else "no" for purpose in purposes}


def read_consents(customer_id: int, as_of: datetime) -> dict[str, str]:
    latest = (
        Consent.objects.filter(customer_id=customer_id, recorded_at__lte=as_of)
        .order_by("purpose", "-recorded_at", "-id")
        .distinct("purpose")
        .values_list("purpose", "status")
    )
    return {f"{CONSENT_PREFIX}{purpose}": status for purpose, status in latest}
