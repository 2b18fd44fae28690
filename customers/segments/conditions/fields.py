"""The fields of conditions: types, operators, choices and labels."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from django.db import models
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.events.event_taxonomy import Meaning
from customers.identity.models import Consent, Customer
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.columns import PROFILE_COLUMNS, ProfileColumn, SegmentCondition
from customers.segments.event_counts.meanings import BOUGHT
from customers.segments.models import EventSeries

Label = str | Promise
# Returns a field's value at a moment by customer, for these customers or (None) for all; customers without a value are missing.
type LiveValues = Callable[[datetime, Collection[int] | None], Mapping[int, float]]
About = EventSeries.About


class FieldType(StrEnum):
    """The type of a field's values."""

    NUMBER = "number"
    INTEGER = "whole"
    CHOICE = "choice"
    TEXT = "text"
    MOMENT = "moment"
    FUTURE_MOMENT = "coming"  # a time that can be in the future
    FLAG = "flag"
    NAMES = "names"
    TRAIT = "trait"
    EVENT = "event"  # something that customers do, counted by day
    SEGMENT = "segment"


class Operand(StrEnum):
    """The type of an operator's value."""

    ONE = "one"
    MANY = "many"
    RANGE = "range"
    DAYS = "days"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Operator:
    name: str
    label: Label
    takes: Operand


OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("eq", _("is"), Operand.ONE),
        Operator("ne", _("is not"), Operand.ONE),
        Operator("in", _("is one of"), Operand.MANY),
        Operator("not_in", _("is none of"), Operand.MANY),
        Operator("lt", _("less than"), Operand.ONE),
        Operator("lte", _("at most"), Operand.ONE),
        Operator("gt", _("more than"), Operand.ONE),
        Operator("gte", _("at least"), Operand.ONE),
        Operator("between", _("between"), Operand.RANGE),
        Operator("starts_with", _("starts with"), Operand.ONE),
        Operator("contains", _("contains"), Operand.ONE),
        Operator("includes", _("list contains"), Operand.ONE),
        Operator("before", pgettext_lazy("condition on a day", "before"), Operand.ONE),
        Operator("after", pgettext_lazy("condition on a day", "after"), Operand.ONE),
        Operator("within_days", _("in the last … days"), Operand.DAYS),
        Operator("older_than_days", _("more than … days ago"), Operand.DAYS),
        Operator("within_next_days", _("in the next … days"), Operand.DAYS),
        Operator("at_least", _("at least"), Operand.MANY),
        Operator("at_most", _("at most"), Operand.MANY),
        Operator("exactly", _("exactly"), Operand.MANY),
        Operator("fewer_than", _("fewer than"), Operand.MANY),
        Operator("never", _("never"), Operand.MANY),
        Operator("is_set", _("is known"), Operand.NOTHING),
        Operator("is_not_set", _("is not known"), Operand.NOTHING),
    )
}

IS_SET_OPERATORS = ("is_set", "is_not_set")
TIME_OPERATORS = ("before", "after", "between", "within_days", "older_than_days", *IS_SET_OPERATORS)
NUMBER_OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "between", *IS_SET_OPERATORS)
OPERATORS_OF_TYPE: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.NUMBER: NUMBER_OPERATORS,
    FieldType.INTEGER: NUMBER_OPERATORS,
    FieldType.CHOICE: ("eq", "ne", "in", "not_in"),
    FieldType.TEXT: ("eq", "ne", "in", "not_in", "starts_with", "contains", *IS_SET_OPERATORS),
    FieldType.MOMENT: TIME_OPERATORS,
    FieldType.FUTURE_MOMENT: (*TIME_OPERATORS, "within_next_days"),
    FieldType.FLAG: ("eq",),
    FieldType.NAMES: ("in", "not_in", *IS_SET_OPERATORS),
    FieldType.TRAIT: ("eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "contains", "includes", *IS_SET_OPERATORS),
    FieldType.EVENT: ("at_least", "at_most", "exactly", "fewer_than", "never"),
    FieldType.SEGMENT: ("in", "not_in"),
}

LIFECYCLE, ORDERS, PURCHASES, BEHAVIOR, CUSTOMER, CONSENT, SEGMENTS = (
    _("Lifecycle"),
    _("Orders"),
    _("Purchases"),
    _("Behavior"),
    _("Customer"),
    _("Consent"),
    _("Segments"),
)


@dataclass(frozen=True)
class LatestRow:
    """The row with the latest time of a customer in a model with a customer.

    Attributes:
        model, time: of the rows; of equal times the row with the highest ID is the latest. only: lookups and values of the rows that count.
    """

    model: type[models.Model]
    time: str
    only: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ConditionField:
    """A field of conditions.

    Attributes:
        lookup: the Django lookup from ``Customer``, or from the model of ``latest``, whose latest row is compared.
        restriction: another lookup and its value, without which the field is not known.
        low, high: the smallest and the largest valid number.
        live_values: reads a number when it is compared, because no column has it: it changes with every event and with time.
        meaning, about: of an event: what happened, and whether it is about products, categories, brands or anything.
    """

    name: str
    label: Label
    group: Label
    kind: FieldType
    lookup: str = ""
    restriction: tuple[str, str] | None = None
    latest: LatestRow | None = None
    choices: tuple[tuple[str, Label], ...] = ()
    low: float | None = None
    high: float | None = None
    has_unknown: bool = False
    help: Label = ""
    live_values: LiveValues | None = None
    meaning: str = ""
    about: str = ""
    operators: tuple[str, ...] = field(init=False)

    @property
    def takes_names(self) -> bool:
        """Whether the event is about products, categories or brands, whose names are the value."""
        return self.kind == FieldType.EVENT and self.about != About.ANY

    def __post_init__(self) -> None:
        operators = OPERATORS_OF_TYPE[self.kind]
        if self.kind == FieldType.CHOICE and self.has_unknown:
            operators = (*operators, *IS_SET_OPERATORS)
        object.__setattr__(self, "operators", operators)


TRAIT_PREFIX = "traits."
CONSENT_PREFIX = "consent."
CONSENT_NONE = "none"
CONSENT_CHOICES: tuple[tuple[str, Label], ...] = (
    (Consent.Status.GRANTED.value, Consent.Status.GRANTED.label),
    (Consent.Status.WITHDRAWN.value, Consent.Status.WITHDRAWN.label),
    (CONSENT_NONE, _("no record")),
)


ALLOWED_PREFIX = "allowed."
ALLOWED_YES = "yes"
ALLOWED_CHOICES: tuple[tuple[str, Label], ...] = ((ALLOWED_YES, _("allowed")), ("no", _("not allowed")))
ALLOWED_HELP = _(
    "Based on the latest consent record. Without a record, the rule for the customer's country applies: see Settings › Privacy › Consent rules."
)


def get_label(model: type[models.Model], name: str) -> Label:
    return model._meta.get_field(name).verbose_name  # type: ignore[union-attr]


def build_profile_field(column: ProfileColumn, condition: SegmentCondition) -> ConditionField:
    """Return the field that a profile column declares."""
    return ConditionField(
        column.name,
        get_label(CustomerProfile, column.name),
        PROFILE_GROUPS[condition.group],
        PROFILE_TYPES[condition.type],
        lookup=f"profile__{column.name}",
        choices=condition.choices,
        low=condition.low,
        high=condition.high,
        has_unknown=condition.has_unknown,
        help=column.field.help_text if column.name.endswith("_window") else "",
    )


PROFILE_GROUPS: Mapping[str, Label] = {"lifecycle": LIFECYCLE, "orders": ORDERS}
PROFILE_TYPES: Mapping[str, FieldType] = {
    "number": FieldType.NUMBER,
    "integer": FieldType.INTEGER,
    "choice": FieldType.CHOICE,
    "text": FieldType.TEXT,
    "datetime": FieldType.MOMENT,
    "future_datetime": FieldType.FUTURE_MOMENT,
}

ABOUT_HELP: Mapping[str, Label] = {
    About.PRODUCT: _("Product IDs."),
    About.CATEGORY: _("Category paths; subcategories are included."),
}
# The labels are whole sentences for each language: where the object is in the sentence differs.
EVENTS_ABOUT_PRODUCTS: tuple[tuple[str, str, Label, dict[str, Label]], ...] = (
    (
        "bought",
        BOUGHT,
        PURCHASES,
        {
            About.ANY: _("bought anything"),
            About.PRODUCT: _("bought product"),
            About.CATEGORY: _("bought category"),
            About.BRAND: _("bought brand"),
        },
    ),
    (
        "viewed",
        Meaning.VIEW,
        BEHAVIOR,
        {
            About.ANY: _("viewed any product"),
            About.PRODUCT: _("viewed product"),
            About.CATEGORY: _("viewed category"),
            About.BRAND: _("viewed brand"),
        },
    ),
    (
        "added",
        Meaning.CART,
        BEHAVIOR,
        {
            About.ANY: _("added any product to the cart"),
            About.PRODUCT: _("added product to the cart"),
            About.CATEGORY: _("added category to the cart"),
            About.BRAND: _("added brand to the cart"),
        },
    ),
    (
        "removed",
        Meaning.CART_REMOVAL,
        BEHAVIOR,
        {
            About.ANY: _("removed any product from the cart"),
            About.PRODUCT: _("removed product from the cart"),
            About.CATEGORY: _("removed category from the cart"),
            About.BRAND: _("removed brand from the cart"),
        },
    ),
    (
        "wishlisted",
        Meaning.WISHLIST,
        BEHAVIOR,
        {
            About.ANY: _("added any product to the wishlist"),
            About.PRODUCT: _("added product to the wishlist"),
            About.CATEGORY: _("added category to the wishlist"),
            About.BRAND: _("added brand to the wishlist"),
        },
    ),
    (
        "requested",
        Meaning.STOCK_REQUEST,
        BEHAVIOR,
        {
            About.ANY: _("asked to be notified when any product is back in stock"),
            About.PRODUCT: _("asked to be notified when product is back in stock"),
            About.CATEGORY: _("asked to be notified when a product of category is back in stock"),
            About.BRAND: _("asked to be notified when a product of brand is back in stock"),
        },
    ),
)
OTHER_EVENTS: tuple[tuple[str, Meaning, Label], ...] = (
    ("searched", Meaning.SEARCH, _("searched")),
    ("viewed_list", Meaning.LIST_VIEW, _("viewed a product list")),
    ("viewed_cart", Meaning.CART_VIEW, _("viewed the cart")),
    ("started_checkout", Meaning.CHECKOUT, _("started the checkout")),
    ("reviewed", Meaning.REVIEW, _("reviewed a product")),
    ("clicked_recommendation", Meaning.RECOMMENDATION_CLICK, _("clicked a recommendation")),
    ("opened_email", Meaning.EMAIL_OPENED, _("opened an email")),
    ("clicked_email", Meaning.EMAIL_CLICKED, _("clicked a link in an email")),
    ("opened_push", Meaning.PUSH_TAPPED, _("opened a push notification")),
    ("clicked_sms", Meaning.SMS_CLICKED, _("clicked a link in a text message")),
)


def list_event_fields() -> list[ConditionField]:
    """Return the fields of what customers do."""
    about_products = [
        ConditionField(
            f"{verb}.{about.value}",
            labels[about],
            group,
            FieldType.EVENT,
            help=ABOUT_HELP.get(about, ""),
            meaning=str(meaning),
            about=about.value,
        )
        for verb, meaning, group, labels in EVENTS_ABOUT_PRODUCTS
        for about in About
    ]
    others = [
        ConditionField(name, label, BEHAVIOR, FieldType.EVENT, meaning=str(meaning), about=About.ANY.value)
        for name, meaning, label in OTHER_EVENTS
    ]
    return [*about_products, *others]


FIXED_FIELDS: tuple[ConditionField, ...] = (
    *(build_profile_field(column, column.condition) for column in PROFILE_COLUMNS if column.condition),
    *list_event_fields(),
    ConditionField(
        "favorite_category", _("favorite category"), PURCHASES, FieldType.NAMES, lookup="profile__favorite_categories"
    ),
    ConditionField(
        "favorite_brand", _("favorite brand"), PURCHASES, FieldType.NAMES, lookup="profile__favorite_brands"
    ),
    ConditionField(
        "identified",
        _("identified"),
        CUSTOMER,
        FieldType.FLAG,
        help=_("Has a user ID, an email address or a phone number."),
    ),
    ConditionField("language", get_label(Customer, "language"), CUSTOMER, FieldType.TEXT, lookup="language"),
    ConditionField("country", get_label(Customer, "country"), CUSTOMER, FieldType.TEXT, lookup="country"),
    *(
        ConditionField(f"{CONSENT_PREFIX}{purpose}", label, CONSENT, FieldType.CHOICE, choices=CONSENT_CHOICES)
        for purpose, label in Consent.Purpose.choices
    ),
    *(
        ConditionField(
            f"{ALLOWED_PREFIX}{purpose}",
            format_lazy(_("use for {purpose}"), purpose=label),
            CONSENT,
            FieldType.CHOICE,
            choices=ALLOWED_CHOICES,
            help=ALLOWED_HELP,
        )
        for purpose, label in Consent.Purpose.choices
    ),
    ConditionField("segment", _("segment"), SEGMENTS, FieldType.SEGMENT, help=_("Keys of other segments.")),
)
FIELDS: dict[str, ConditionField] = {fixed.name: fixed for fixed in FIXED_FIELDS}


def register_field(entry: ConditionField) -> None:
    """Add a field of an app above this one; called when the app is ready."""
    FIELDS[entry.name] = entry


def find_field(name: str) -> ConditionField | None:
    """Return the field with this name; any name after ``traits.`` is valid."""
    if name.startswith(TRAIT_PREFIX) and 0 < len(name) - len(TRAIT_PREFIX) <= 100:
        return build_trait_field(name.removeprefix(TRAIT_PREFIX))
    return FIELDS.get(name)


def build_trait_field(trait: str) -> ConditionField:
    return ConditionField(f"{TRAIT_PREFIX}{trait}", trait, get_label(Customer, "traits"), FieldType.TRAIT)


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
    about: str
    low: float | None
    high: float | None
    operators: list[OperatorEntry]
    choices: list[ChoiceEntry]


def describe_fields(*, traits: tuple[str, ...] = ()) -> list[FieldEntry]:
    """Describe all fields in the active language, for the builder and the API.

    ``traits`` are added by name. Any field that starts with ``traits.`` is valid, listed or not.
    """
    return [describe_field(entry) for entry in (*FIELDS.values(), *map(build_trait_field, traits))]


def describe_field(entry: ConditionField) -> FieldEntry:
    return {
        "name": entry.name,
        "label": str(entry.label),
        "group": str(entry.group),
        "kind": entry.kind.value,
        "help": str(entry.help),
        "about": entry.about,
        "low": entry.low,
        "high": entry.high,
        "operators": [
            {"name": name, "label": str(OPERATORS[name].label), "takes": OPERATORS[name].takes.value}
            for name in entry.operators
        ],
        "choices": [{"value": value, "label": str(label)} for value, label in entry.choices],
    }
