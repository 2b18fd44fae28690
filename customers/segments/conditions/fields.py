"""What a condition can ask about: every field with its type, its operators and its choices, labelled for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.models import Consent, Customer
from customers.lifecycle.models import CustomerProfile, RfmGroup, Stage

Label = str | Promise


class Kind(StrEnum):
    """What the values of a field are."""

    NUMBER = "number"
    WHOLE = "whole"
    CHOICE = "choice"
    TEXT = "text"
    MOMENT = "moment"
    COMING = "coming"  # a moment that may lie ahead
    FLAG = "flag"
    NAMES = "names"
    TRAIT = "trait"
    BOUGHT = "bought"
    SEGMENT = "segment"


class Takes(StrEnum):
    """What an operator wants as its value."""

    ONE = "one"
    MANY = "many"
    RANGE = "range"
    DAYS = "days"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Operator:
    name: str
    label: Label
    takes: Takes


OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("eq", _("is"), Takes.ONE),
        Operator("ne", _("is not"), Takes.ONE),
        Operator("in", _("is one of"), Takes.MANY),
        Operator("not_in", _("is none of"), Takes.MANY),
        Operator("lt", _("less than"), Takes.ONE),
        Operator("lte", _("at most"), Takes.ONE),
        Operator("gt", _("more than"), Takes.ONE),
        Operator("gte", _("at least"), Takes.ONE),
        Operator("between", _("between"), Takes.RANGE),
        Operator("starts_with", _("starts with"), Takes.ONE),
        Operator("contains", _("contains"), Takes.ONE),
        Operator("includes", _("has in its list"), Takes.ONE),
        Operator("before", pgettext_lazy("condition on a day", "before"), Takes.ONE),
        Operator("after", pgettext_lazy("condition on a day", "after"), Takes.ONE),
        Operator("within_days", _("in the last days"), Takes.DAYS),
        Operator("older_than_days", _("longer ago than days"), Takes.DAYS),
        Operator("within_next_days", _("in the next days"), Takes.DAYS),
        Operator("at_least", _("in at least"), Takes.MANY),
        Operator("fewer_than", _("in fewer than"), Takes.MANY),
        Operator("is_set", _("is known"), Takes.NOTHING),
        Operator("is_not_set", _("is not known"), Takes.NOTHING),
    )
}

KNOWN = ("is_set", "is_not_set")
MOMENT = ("before", "after", "between", "within_days", "older_than_days", *KNOWN)
NUMBER = ("eq", "ne", "lt", "lte", "gt", "gte", "between", *KNOWN)
OPERATORS_OF_KIND: Mapping[Kind, tuple[str, ...]] = {
    Kind.NUMBER: NUMBER,
    Kind.WHOLE: NUMBER,
    Kind.CHOICE: ("eq", "ne", "in", "not_in"),
    Kind.TEXT: ("eq", "ne", "in", "not_in", "starts_with", "contains", *KNOWN),
    Kind.MOMENT: MOMENT,
    Kind.COMING: (*MOMENT, "within_next_days"),
    Kind.FLAG: ("eq",),
    Kind.NAMES: ("in", "not_in", *KNOWN),
    Kind.TRAIT: ("eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "contains", "includes", *KNOWN),
    Kind.BOUGHT: ("at_least", "fewer_than"),
    Kind.SEGMENT: ("in", "not_in"),
}

LIFECYCLE, ORDERS, BOUGHT, PERSON, CONSENT, SEGMENTS = (
    _("Lifecycle"),
    _("Orders"),
    _("Bought"),
    _("Person"),
    _("Consent"),
    _("Segments"),
)


@dataclass(frozen=True)
class Field:
    """One thing to ask about. ``lookup`` is its way from the customer; ``low`` and ``high`` bound its numbers."""

    name: str
    label: Label
    group: Label
    kind: Kind
    lookup: str = ""
    choices: tuple[tuple[str, Label], ...] = ()
    low: float | None = None
    high: float | None = None
    has_unknown: bool = False
    help: Label = ""
    operators: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        operators = OPERATORS_OF_KIND[self.kind]
        if self.kind == Kind.CHOICE and self.has_unknown:
            operators = (*operators, *KNOWN)
        object.__setattr__(self, "operators", operators)


TRAIT_PREFIX = "traits."
CONSENT_PREFIX = "consent."
CONSENT_NONE = "none"
CONSENT_CHOICES: tuple[tuple[str, Label], ...] = (
    (Consent.Status.GRANTED.value, Consent.Status.GRANTED.label),
    (Consent.Status.WITHDRAWN.value, Consent.Status.WITHDRAWN.label),
    (CONSENT_NONE, _("never asked")),
)


def label_of(model: type[models.Model], name: str) -> Label:
    return model._meta.get_field(name).verbose_name  # type: ignore[union-attr]


def profile_field(name: str, group: Label, kind: Kind, **options: object) -> Field:
    label = label_of(CustomerProfile, name)
    if name.endswith("_window"):
        options = {"help": CustomerProfile._meta.get_field(name).help_text, **options}  # type: ignore[union-attr]
    return Field(name, label, group, kind, lookup=f"profile__{name}", **options)  # type: ignore[arg-type]


FIXED_FIELDS: tuple[Field, ...] = (
    profile_field("stage", LIFECYCLE, Kind.CHOICE, choices=tuple(Stage.choices)),
    profile_field("rfm_group", LIFECYCLE, Kind.CHOICE, choices=tuple(RfmGroup.choices), has_unknown=True),
    *(profile_field(name, LIFECYCLE, Kind.WHOLE, low=1, high=5) for name in ("r", "f", "m")),
    profile_field("rfm_group_window", LIFECYCLE, Kind.CHOICE, choices=tuple(RfmGroup.choices), has_unknown=True),
    *(profile_field(name, LIFECYCLE, Kind.WHOLE, low=1, high=5) for name in ("r_window", "f_window", "m_window")),
    profile_field("value", LIFECYCLE, Kind.NUMBER),
    profile_field("cluster", LIFECYCLE, Kind.WHOLE, low=0),
    profile_field("stage_since", LIFECYCLE, Kind.MOMENT),
    profile_field("next_flip_at", LIFECYCLE, Kind.COMING),
    *(
        profile_field(name, LIFECYCLE, Kind.NUMBER, low=0, high=1)
        for name in ("churn", "purchase_7", "purchase_30", "purchase_90")
    ),
    profile_field("next_category", LIFECYCLE, Kind.TEXT),
    profile_field("orders", ORDERS, Kind.WHOLE, low=0),
    profile_field("returns", ORDERS, Kind.WHOLE, low=0),
    profile_field("revenue", ORDERS, Kind.NUMBER),
    profile_field("orders_window", ORDERS, Kind.WHOLE, low=0),
    profile_field("revenue_window", ORDERS, Kind.NUMBER),
    profile_field("units", ORDERS, Kind.NUMBER),
    profile_field("average_order_value", ORDERS, Kind.NUMBER),
    profile_field("average_gap_days", ORDERS, Kind.NUMBER, low=0),
    profile_field("first_order_at", ORDERS, Kind.MOMENT),
    profile_field("last_order_at", ORDERS, Kind.MOMENT),
    Field("bought.any", _("bought anything"), BOUGHT, Kind.BOUGHT),
    Field("bought.product", _("bought product"), BOUGHT, Kind.BOUGHT, help=_("Product ids.")),
    Field("bought.category", _("bought category"), BOUGHT, Kind.BOUGHT, help=_("Paths; what lies below them counts.")),
    Field("bought.brand", _("bought brand"), BOUGHT, Kind.BOUGHT),
    Field("favourite_category", _("favourite category"), BOUGHT, Kind.NAMES, lookup="profile__favourite_categories"),
    Field("favourite_brand", _("favourite brand"), BOUGHT, Kind.NAMES, lookup="profile__favourite_brands"),
    Field(
        "identified",
        _("identified"),
        PERSON,
        Kind.FLAG,
        help=_("Known by a user id, an e-mail address or a phone number."),
    ),
    Field("language", label_of(Customer, "language"), PERSON, Kind.TEXT, lookup="language"),
    Field("country", label_of(Customer, "country"), PERSON, Kind.TEXT, lookup="country"),
    *(
        Field(f"{CONSENT_PREFIX}{purpose}", label, CONSENT, Kind.CHOICE, choices=CONSENT_CHOICES)
        for purpose, label in Consent.Purpose.choices
    ),
    Field("segment", _("segment"), SEGMENTS, Kind.SEGMENT, help=_("Keys of other segments.")),
)
FIELDS: Mapping[str, Field] = {each.name: each for each in FIXED_FIELDS}


def find_field(name: str) -> Field | None:
    """The field of that name; any name behind ``traits.`` is one."""
    if name.startswith(TRAIT_PREFIX) and 0 < len(name) - len(TRAIT_PREFIX) <= 100:
        return trait_field(name.removeprefix(TRAIT_PREFIX))
    return FIELDS.get(name)


def trait_field(trait: str) -> Field:
    return Field(f"{TRAIT_PREFIX}{trait}", trait, label_of(Customer, "traits"), Kind.TRAIT)


class OperatorEntry(TypedDict):
    name: str
    label: str
    takes: str


class ChoiceEntry(TypedDict):
    value: str
    label: str


class FieldEntry(TypedDict):
    name: str
    label: str
    group: str
    kind: str
    help: str
    low: float | None
    high: float | None
    operators: list[OperatorEntry]
    choices: list[ChoiceEntry]


def describe_fields(*, traits: tuple[str, ...] = ()) -> list[FieldEntry]:
    """The registry in the active language, for the builder and the API; ``traits`` adds those by name.

    Traits are open: a field named ``traits.`` and anything is accepted, listed or not.
    """
    return [describe_field(each) for each in (*FIXED_FIELDS, *map(trait_field, traits))]


def describe_field(each: Field) -> FieldEntry:
    return {
        "name": each.name,
        "label": str(each.label),
        "group": str(each.group),
        "kind": each.kind.value,
        "help": str(each.help),
        "low": each.low,
        "high": each.high,
        "operators": [
            {"name": name, "label": str(OPERATORS[name].label), "takes": OPERATORS[name].takes.value}
            for name in each.operators
        ],
        "choices": [{"value": value, "label": str(label)} for value, label in each.choices],
    }
