"""Which events a question is about: a name or a meaning, and conditions on properties."""

import math
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from django.utils.translation import gettext as _

from customers.analytics.expressions.parameters import ParameterError, require_one_of
from customers.events.event_taxonomy import EVENT_NAMES, Meaning
from customers.warehouse.engines.base import WarehouseEngine

# orders of the shop, wherever they came from, as events; also those without an “Order Completed” event
ORDER_EVENT = "$order"
# columns of the events that can be used like properties
COLUMN_PROPERTIES = ("path", "device", "locale", "source", "currency", "name", "type")
NUMBER_COLUMNS = ("value",)
TEXT_OPERATORS = ("eq", "ne", "in", "not_in", "contains", "not_contains", "is_set", "is_not_set")
NUMBER_OPERATORS = ("gt", "gte", "lt", "lte")
MAX_FILTERS = 20
MAX_TEXT = 500


@dataclass(frozen=True, kw_only=True)
class PropertyFilter:
    """A condition on a property of an event.

    Attributes:
        value: a text or number; a list for in and not_in; ignored for is_set and is_not_set. Equality compares texts, so 5 equals "5".
    """

    property: str
    op: str = "eq"
    value: str | int | float | tuple[str | int | float, ...] = ""

    def __post_init__(self) -> None:
        check_property("property", self.property)
        require_one_of("op", self.op, TEXT_OPERATORS + NUMBER_OPERATORS)
        if self.op in ("in", "not_in") and (not isinstance(self.value, tuple) or not self.value):
            raise ParameterError("value", _("%(op)s needs a list with at least one value.") % {"op": self.op})
        if self.op not in ("in", "not_in") and isinstance(self.value, tuple):
            raise ParameterError("value", _("a list needs the operator in or not_in, not %(op)s.") % {"op": self.op})
        if self.op in NUMBER_OPERATORS and not isinstance(self.value, int | float):
            raise ParameterError(
                "value",
                _("%(value)s is not a number, which %(op)s needs.") % {"value": repr(self.value), "op": self.op},
            )


@dataclass(frozen=True, kw_only=True)
class EventMatch:
    """The events with a name or a meaning; with neither, every event.

    Attributes:
        name: as it was sent, or `$order` for orders. meaning: such as view or cart, whatever the source calls it.
        filters: conditions that must all hold.
    """

    name: str = ""
    meaning: str = ""
    filters: tuple[PropertyFilter, ...] = ()

    def __post_init__(self) -> None:
        if self.name and self.meaning:
            raise ParameterError("meaning", _("an event has a name or a meaning; leave one of them empty."))
        if self.meaning:
            require_one_of("meaning", self.meaning, [meaning.value for meaning in Meaning])
        if len(self.name) > MAX_TEXT:
            raise ParameterError("name", _("longer than %(maximum)s characters; shorten it.") % {"maximum": MAX_TEXT})
        if len(self.filters) > MAX_FILTERS:
            raise ParameterError("filters", _("more than %(maximum)s; remove some.") % {"maximum": MAX_FILTERS})

    @property
    def label(self) -> str:
        """The name or meaning; empty for every event."""
        return self.name or self.meaning


def check_property(field: str, name: str) -> None:
    """Check the name of a property. Raises ParameterError."""
    if not name or len(name) > MAX_TEXT or "'" in name:
        raise ParameterError(
            field,
            _("%(name)s is not valid; use a name of 1 to %(maximum)s characters without apostrophes.")
            % {"name": repr(name), "maximum": MAX_TEXT},
        )


def build_property(events: ir.Table, name: str, engine: WarehouseEngine) -> ir.StringValue:
    """Return a property, or a column of that name, as text."""
    if name in COLUMN_PROPERTIES:
        return events[name].nullif("")
    if name in NUMBER_COLUMNS:
        return events[name].cast("string")
    return engine.read_property(events.properties, name)


def build_number(events: ir.Table, name: str, engine: WarehouseEngine) -> ir.FloatingValue:
    """Return a property, or a column of that name, as a number; NULL if it is not a finite number."""
    if name in NUMBER_COLUMNS:
        return events[name].cast("float64")
    number = build_property(events, name, engine).try_cast("float64")
    # The texts "NaN" and "Infinity" are numbers to the engines, but would make every sum useless, and JSON cannot store them. NaN is not
    # less than infinity on any engine; `isinf` of Ibis is always false on Spark.
    return ibis.ifelse(number.abs() < math.inf, number, ibis.null("float64"))


def build_match(events: ir.Table, match: EventMatch, engine: WarehouseEngine) -> ir.BooleanValue:
    """Return whether each event is one of those described; never NULL."""
    condition = events.name != ORDER_EVENT
    if match.name:
        condition = events.name == match.name
    elif match.meaning:
        names = sorted({name.lower() for name in EVENT_NAMES[Meaning(match.meaning)]})
        # every purchase event becomes an order, so counting events and orders together would count it twice
        is_purchase = match.meaning == Meaning.PURCHASE
        condition = events.name == ORDER_EVENT if is_purchase else events.name.lower().isin(names)
    for one_filter in match.filters:
        condition = condition & ibis.coalesce(_build_filter(events, one_filter, engine), False)
    return condition


def _build_filter(events: ir.Table, condition: PropertyFilter, engine: WarehouseEngine) -> ir.BooleanValue:
    text = build_property(events, condition.property, engine)
    if condition.op in ("is_set", "is_not_set"):
        return text.notnull() if condition.op == "is_set" else text.isnull()
    if condition.op in NUMBER_OPERATORS:
        number, limit = build_number(events, condition.property, engine), float(condition.value)  # type: ignore[arg-type]
        return {"gt": number > limit, "gte": number >= limit, "lt": number < limit, "lte": number <= limit}[
            condition.op
        ]
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    texts = [format_value(value) for value in values]
    if condition.op in ("contains", "not_contains"):
        holds = text.lower().contains(texts[0].lower())
    elif condition.property in NUMBER_COLUMNS:
        # as numbers, because engines write 5 as the text 5.0 or 5
        numbers = [number for number in map(parse_finite, texts) if number is not None]
        holds = events[condition.property].cast("float64").isin(numbers) if numbers else ibis.literal(False)
    else:
        holds = text.isin(texts)
    if condition.op in ("ne", "not_in", "not_contains"):
        return ~ibis.coalesce(holds, False)
    return holds


def format_value(value: str | float) -> str:
    """Return a value as the text that it has in JSON: whole numbers without decimals, and all digits of others."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return str(int(value) if is_whole else value)


def parse_finite(text: str) -> float | None:
    """Return the finite number that a text is; None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def uses_orders(*matches: EventMatch) -> bool:
    """Return whether one of the matches includes orders."""
    return any(match.name == ORDER_EVENT or match.meaning == Meaning.PURCHASE for match in matches)
