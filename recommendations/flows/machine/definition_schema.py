"""The vocabulary of a flow definition: triggers, steps and their fields. Validation and the editor both read it."""

from dataclasses import dataclass
from enum import StrEnum

SCHEMA_VERSION = 1
ORDER_PLACED = "order_placed"  # the event of a new order, from whatever source: an event, the API or a file


class FieldKind(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"
    DURATION = "duration"
    CONDITION = "condition"
    FILTERS = "filters"
    VALUE = "value"
    HOUR = "hour"
    WEIGHTS = "weights"


@dataclass(frozen=True)
class DefinitionField:
    """One field of a trigger or step.

    Attributes:
        choices: the valid values of a choice; empty means that the values are checked elsewhere.
        low, high: the limits of a number.
    """

    name: str
    kind: FieldKind
    required: bool = True
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 1_000_000


STAGES = ("visitor", "prospect", "new", "active", "loyal", "at_risk", "dormant", "churned", "reactivated")
SCORES = ("churn", "value", "p_alive", "purchase_7", "purchase_30", "purchase_90")
INTERESTS = ("viewed", "added", "wishlisted", "requested", "bought")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BEST_HOUR = "best"

TRIGGERS: dict[str, tuple[DefinitionField, ...]] = {
    "event": (
        DefinitionField("event", FieldKind.TEXT),
        DefinitionField("where", FieldKind.FILTERS, required=False),
    ),
    "stage": (
        DefinitionField("to", FieldKind.CHOICES, choices=STAGES),
        DefinitionField("from", FieldKind.CHOICES, required=False, choices=STAGES),
    ),
    "segment": (
        DefinitionField("segment", FieldKind.TEXT),
        DefinitionField("direction", FieldKind.CHOICE, choices=("entered", "left")),
    ),
    "date": (
        DefinitionField("date", FieldKind.CHOICE, choices=("birthday", "last_order", "next_order")),
        DefinitionField("days", FieldKind.INTEGER, low=-60, high=1_000),
    ),
    "score": (
        DefinitionField("score", FieldKind.CHOICE, choices=SCORES),
        DefinitionField("direction", FieldKind.CHOICE, choices=("above", "below")),
        DefinitionField("value", FieldKind.NUMBER, high=1_000_000_000),
    ),
    "loyalty_level": (
        DefinitionField("direction", FieldKind.CHOICE, choices=("rises", "falls")),
        DefinitionField("level", FieldKind.TEXT, required=False),
    ),
    "points_earned": (DefinitionField("points", FieldKind.INTEGER, low=1),),
    "points_expiring": (DefinitionField("days", FieldKind.INTEGER, low=1, high=366),),
    "catalog": (
        DefinitionField("change", FieldKind.CHOICE, choices=("price_drop", "back_in_stock", "new_product")),
        DefinitionField("percent", FieldKind.NUMBER, required=False, low=0, high=100),
        DefinitionField("interest", FieldKind.CHOICES, choices=INTERESTS),
        DefinitionField("within_days", FieldKind.INTEGER, low=1, high=730),
    ),
}

STEPS: dict[str, tuple[DefinitionField, ...]] = {
    "wait": (DefinitionField("for", FieldKind.DURATION),),
    "wait_until": (
        DefinitionField("hour", FieldKind.HOUR),
        DefinitionField("weekdays", FieldKind.CHOICES, required=False, choices=WEEKDAYS),
    ),
    "wait_event": (
        DefinitionField("event", FieldKind.TEXT),
        DefinitionField("where", FieldKind.FILTERS, required=False),
        DefinitionField("timeout", FieldKind.DURATION),
    ),
    "branch": (DefinitionField("condition", FieldKind.CONDITION),),
    "split": (DefinitionField("weights", FieldKind.WEIGHTS),),
    "message": (
        DefinitionField("template", FieldKind.TEXT),
        DefinitionField("transactional", FieldKind.FLAG, required=False),
    ),
    "offer": (DefinitionField("template", FieldKind.TEXT),),
    "webhook": (DefinitionField("template", FieldKind.TEXT),),
    "set_trait": (DefinitionField("trait", FieldKind.TEXT), DefinitionField("value", FieldKind.VALUE)),
    "add_tag": (DefinitionField("tag", FieldKind.TEXT),),
    "remove_tag": (DefinitionField("tag", FieldKind.TEXT),),
    "add_to_segment": (DefinitionField("segment", FieldKind.TEXT),),
    "remove_from_segment": (DefinitionField("segment", FieldKind.TEXT),),
    "exit": (),
}
MESSAGE_STEPS = ("message", "offer", "webhook")
WAITING_STEPS = ("wait", "wait_until", "wait_event")
SEGMENT_STEPS = ("add_to_segment", "remove_from_segment")
TRAIT_STEPS = ("set_trait", "add_tag", "remove_tag")
FIXED_BRANCHES = {"wait_event": ("event", "timeout"), "branch": ("yes", "no")}

REENTRY_RULES = ("never", "after", "always")
GOAL_KINDS: dict[str, tuple[DefinitionField, ...]] = {
    "event": (
        DefinitionField("event", FieldKind.TEXT),
        DefinitionField("where", FieldKind.FILTERS, required=False),
    ),
    "condition": (DefinitionField("condition", FieldKind.CONDITION),),
}
EXIT_KINDS = GOAL_KINDS

FILTER_OPERATORS = ("equals", "not_equals", "at_least", "at_most", "contains", "is_set", "is_not_set")
DURATION_UNITS = ("days", "hours", "minutes")
MAX_STEPS = 100
MAX_DEPTH = 6
MAX_EXITS = 10
MAX_FILTERS = 20
MAX_TEXT = 200
MAX_WAIT_DAYS = 730
