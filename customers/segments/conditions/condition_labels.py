"""Conditions in words, for pages that show what a segment or a list selects."""

from datetime import timedelta
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from catalog.categories import format_path
from config.foundation.number_formats import join_label
from customers.segments.conditions.condition_tree import Comparison, EventSequence, Group, Negation, Node, Period
from customers.segments.conditions.fields import OPERATORS, ConditionField, FieldType, Operand
from customers.segments.conditions.parsing import parse_condition
from customers.segments.models import Segment

SINGLE_OPERATORS = {"in": "eq", "not_in": "ne"}  # "is one of" a single value is "is"


def describe_condition(condition: object) -> list[str]:
    """Return one line for each part of a condition, all of which apply; none if it matches everyone.

    Raises:
        ConditionError: the condition is not valid.
    """
    node = parse_condition(condition)
    parts = node.children if isinstance(node, Group) and node.every else (node,)
    return [capfirst(describe_node(part)) for part in parts]


def describe_node(node: Node) -> str:
    """Return one part of a condition in words."""
    if isinstance(node, Negation):
        return pgettext("condition", "not: %(condition)s") % {"condition": describe_node(node.child)}
    if isinstance(node, Group):
        word = pgettext("condition", " and ") if node.every else pgettext("condition", " or ")
        return f"({word.join(describe_node(child) for child in node.children)})" if node.children else _("everyone")
    if isinstance(node, EventSequence):
        text = _("%(first)s, then %(second)s within %(days)s days") % {
            "first": _describe_event(node.steps[0]),
            "second": _describe_event(node.steps[1]),
            "days": node.gap_days,
        }
        return text + _describe_time(node.days, node.period)
    if node.field.kind == FieldType.EVENT:
        return _describe_event_count(node)
    return _describe_comparison(node)


def _describe_event(step: Comparison) -> str:
    return f"{step.field.label} {_join_values(step.field, step.value)}".strip()


def _describe_event_count(comparison: Comparison) -> str:
    text = join_label(_describe_event(comparison), OPERATORS[comparison.op].label)
    if comparison.op != "never":
        times = ngettext("%(times)d time", "%(times)d times", comparison.times) % {"times": comparison.times}
        text = f"{text} {times}"
    return text + _describe_time(comparison.days, comparison.period)


def _describe_time(days: int | None, period: Period | None) -> str:
    if days is not None:
        return ", " + ngettext("in the last %(days)d day", "in the last %(days)d days", days) % {"days": days}
    return f", {_format_value(period)}" if period else ""


def _describe_comparison(comparison: Comparison) -> str:
    field, operator = comparison.field, OPERATORS[comparison.op]
    if comparison.op in SINGLE_OPERATORS and len(comparison.value) == 1:
        operator = OPERATORS[SINGLE_OPERATORS[comparison.op]]
    if operator.takes == Operand.DAYS:
        words = str(operator.label).replace("…", number_format(comparison.value))
        return join_label(field.label, words)
    value = "" if operator.takes == Operand.NOTHING else _join_values(field, comparison.value)
    return f"{field.label} {operator.label} {value}".strip()


def _join_values(field: ConditionField, value: Any) -> str:
    """Return the labels of values; segments have their names."""
    if value is None:
        return ""
    values = list(value) if isinstance(value, list | tuple) else [value]
    names = {key: str(label) for key, label in field.choices}
    if field.kind == FieldType.SEGMENT:
        names = dict(Segment.objects.filter(key__in=values).values_list("key", "name"))
    separator = " – " if isinstance(value, tuple) else ", "
    return separator.join(names.get(each, "") or _format_value(each) for each in values)


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, Period):
        # the end is exclusive
        first, last = (
            date_format(localtime(moment), "DATE_FORMAT") for moment in (value.start, value.end - timedelta.resolution)
        )
        return first if first == last else f"{first} – {last}"
    if isinstance(value, str):
        return format_path(value)
    return str(number_format(value))
