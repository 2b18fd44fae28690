"""The values of one customer in words, as the explanation of a segment shows them."""

from datetime import date, datetime
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.categories import format_path
from config.foundation.number_formats import join_label
from customers.identity.personal_data.masking import MASK, is_hidden_trait, mask_json, mask_text
from customers.identity.personal_data.sealed_traits import is_sealed
from customers.segments.conditions.condition_tree import Comparison, EventSequence
from customers.segments.conditions.fields import BEHAVIOR, TRAIT_PREFIX, FieldType
from customers.segments.explanation.customer_values import CustomerFieldValues, Leaf
from customers.segments.explanation.event_values import EventValue

MAX_NAMES = 5
# what is derived from behavior, as on the customer page
PREDICTIONS = frozenset(
    {"value", "churn", "purchase_7", "purchase_30", "purchase_90", "next_category", "cluster"}
    | {"favorite_category", "favorite_brand"}
)


def describe_value(leaf: Leaf, values: CustomerFieldValues, *, is_withheld: bool, with_personal: bool) -> str:
    """Return what the customer has, in words. is_withheld: without consent, values derived from behavior are not shown."""
    if is_withheld and is_derived(leaf):
        return _("withheld: no consent to profiling")
    if id(leaf) in values.events:
        return "; ".join(map(describe_event, list_labels(leaf), values.events[id(leaf)]))
    assert isinstance(leaf, Comparison)
    value = values.find(leaf)
    if leaf.field.kind == FieldType.TRAIT:
        return describe_trait(leaf.field.name.removeprefix(TRAIT_PREFIX), value, with_personal=with_personal)
    if leaf.field.kind == FieldType.NAMES:
        return ", ".join(format_path(name) for name, *_share in (value or [])[:MAX_NAMES]) or _("none")
    labels = {key: str(label) for key, label in leaf.field.choices}
    return labels.get(value, "") or describe_plain(value)


def is_derived(leaf: Leaf) -> bool:
    if isinstance(leaf, EventSequence):
        return any(step.field.group == BEHAVIOR for step in leaf.steps)
    return leaf.field.name in PREDICTIONS or leaf.field.group == BEHAVIOR


def list_labels(leaf: Leaf) -> list[str]:
    """Return the labels of the two events of a sequence; that of a single one is in its condition."""
    return [str(step.field.label) for step in leaf.steps] if isinstance(leaf, EventSequence) else [""]


def describe_event(label: str, value: EventValue) -> str:
    if value.last is None:
        text = _("never")
    else:
        text = ngettext("%(count)s time, on %(day)s", "%(count)s times, the last on %(day)s", value.times) % {
            "count": number_format(value.times, force_grouping=True),
            "day": date_format(value.last, "DATE_FORMAT"),
        }
    return join_label(label, text) if label else text


def describe_trait(name: str, value: Any, *, with_personal: bool) -> str:
    """Return the value of a trait under the masking policy."""
    if value is None:
        return _("unknown")
    if is_sealed(value) or (is_hidden_trait(name, value) and not with_personal):
        return MASK
    if isinstance(value, list):
        return ", ".join(map(describe_plain, value if with_personal else mask_json(value)))
    return mask_text(describe_plain(value), with_personal=with_personal)


def describe_plain(value: Any) -> str:
    match value:
        case None | "":
            return _("unknown")
        case bool():
            return str(_("yes") if value else _("no"))
        case datetime():
            return date_format(localtime(value), "DATE_FORMAT")
        case date():
            return date_format(value, "DATE_FORMAT")
        case str():
            return format_path(value)
        case float():
            return str(number_format(round(value, 2)))
    return str(number_format(value))
