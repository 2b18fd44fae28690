"""Compiles the condition tree of a segment into one query filter.

A tree is ``{"all": [tree, …]}``, ``{"any": [tree, …]}``, ``{"not": tree}`` or a comparison such as
``{"field": "stage", "op": "in", "value": ["loyal"]}``. ``{"all": []}`` matches all customers. Logic is two-valued: a
comparison with an unknown value is false, so its ``not`` is true.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.db.models import Q
from django.utils.translation import gettext as _

from customers.segments.conditions.comparisons import NEGATED_OPERATORS, compile_comparison, compile_static_members
from customers.segments.conditions.condition_tree import (
    Comparison,
    ConditionError,
    ConditionProblem,
    EventSequence,
    Group,
    Negation,
    Node,
)
from customers.segments.conditions.event_conditions import SeriesIds, Statement, compile_sequence, select_event_once
from customers.segments.conditions.fields import FieldType
from customers.segments.conditions.parsing import parse_condition
from customers.segments.conditions.value_parsing import format_json, suggest_similar
from customers.segments.models import Segment

ALL_CUSTOMERS = Q(pk__isnull=False)
NO_CUSTOMERS = Q(pk__isnull=True)
MAX_COMPARISONS = 1000
MAX_CHAIN = 10


def compile_condition(
    condition: object,
    *,
    as_of: datetime,
    within: Sequence[str] = (),
    customer_ids: Collection[int] | None = None,
) -> Q:
    """Return a filter on ``Customer`` that matches the condition.

    Args:
        condition: the tree, as JSON.
        as_of: the moment from which relative periods count.
        within: the key of the segment that has the condition, to detect cycles.
        customer_ids: the filter is only applied to these customers, so that numbers that are read live are read for them alone.

    Raises:
        ConditionError: the condition is not valid; lists every problem with its path.
    """
    node = parse_condition(condition)
    segments = fetch_segments() if refers_to_segments(node) else {}
    return Compiler(as_of=as_of, segments=segments, customer_ids=customer_ids).compile_tree(node, within=tuple(within))


def compile_count(condition: object, *, as_of: datetime) -> tuple[Statement, bool] | None:
    """Return how the customers of a comparison of events can be counted without reading customers; None for other conditions.

    Returns:
        A statement that selects each customer once, and whether all but those match.

    Raises:
        ConditionError: the condition is not valid.
    """
    node, negated = parse_condition(condition), False
    while isinstance(node, Negation) or (isinstance(node, Group) and len(node.children) == 1):
        node, negated = (node.child, not negated) if isinstance(node, Negation) else (node.children[0], negated)
    if not isinstance(node, Comparison) or node.field.kind != FieldType.EVENT:
        return None
    series = SeriesIds()
    series.load([node])
    statement = select_event_once(node, as_of=as_of, series=series)
    return None if statement is None else (statement, (node.op in NEGATED_OPERATORS) != negated)


def fetch_segments() -> Mapping[str, Segment]:
    return {segment.key: segment for segment in Segment.objects.only("id", "key", "kind", "condition")}


def list_comparisons(node: Node) -> list[Comparison]:
    """Return all comparisons of a tree, and the events of its sequences, from left to right."""
    if isinstance(node, Comparison):
        return [node]
    if isinstance(node, EventSequence):
        return list(node.steps)
    children = [node.child] if isinstance(node, Negation) else node.children
    return [comparison for child in children for comparison in list_comparisons(child)]


def refers_to_segments(node: Node) -> bool:
    return any(comparison.field.kind == FieldType.SEGMENT for comparison in list_comparisons(node))


def uses_live_values(conditions: Sequence[object]) -> bool:
    """Return whether a condition, or a segment that it refers to, compares numbers that are read live."""
    pending, known, segments = list(conditions), set[str](), None
    while pending:
        try:
            comparisons = list_comparisons(parse_condition(pending.pop()))
        except ConditionError:
            continue  # has no members
        if any(comparison.field.live_values is not None for comparison in comparisons):
            return True
        keys = {key for each in comparisons if each.field.kind == FieldType.SEGMENT for key in each.value} - known
        known |= keys
        if keys and segments is None:
            segments = fetch_segments()
        pending += [segments[key].condition for key in keys if segments and key in segments]
    return False


class Compiler:
    """Compiles trees as of one moment; the conditions of other segments are inlined."""

    def __init__(
        self, *, as_of: datetime, segments: Mapping[str, Segment], customer_ids: Collection[int] | None = None
    ) -> None:
        self.as_of = as_of
        self.customer_ids = customer_ids
        self.segments = segments
        self.compiled = 0
        self.series = SeriesIds()

    def compile_tree(self, node: Node, *, within: tuple[str, ...], negated: bool = False) -> Q:
        """Return the filter of the tree of one segment, or its negation."""
        self.series.load(list_comparisons(node))
        return self.compile(node, within=within, negated=negated)

    def compile(self, node: Node, *, within: tuple[str, ...], negated: bool = False) -> Q:
        """Return the filter of a node, or its negation.

        A negation is pushed down through groups to the comparisons.
        """
        if isinstance(node, Negation):
            return self.compile(node.child, within=within, negated=not negated)
        if isinstance(node, Group):
            return self.compile_group(node, within=within, negated=negated)
        if isinstance(node, EventSequence):
            self.count_comparisons(2, node.steps[0].path)
            matched = compile_sequence(node, as_of=self.as_of, series=self.series)
            return ~matched if negated else matched
        self.count_comparisons(1, node.path)
        if node.field.kind == FieldType.SEGMENT:
            return self.compile_segments(node, within=within, negated=negated)
        return compile_comparison(
            node, as_of=self.as_of, negated=negated, series=self.series, customer_ids=self.customer_ids
        )

    def count_comparisons(self, number: int, path: str) -> None:
        self.compiled += number
        if self.compiled > MAX_COMPARISONS:
            message = _("The condition and the segments it refers to have more than %(limit)d comparisons in total.")
            raise build_error(path, "too_large", message % {"limit": MAX_COMPARISONS})

    def compile_group(self, group: Group, *, within: tuple[str, ...], negated: bool) -> Q:
        if not group.children:
            return NO_CUSTOMERS if negated else ALL_CUSTOMERS
        parts = [self.compile(child, within=within, negated=negated) for child in group.children]
        return reduce(and_ if group.every != negated else or_, parts)

    def compile_segments(self, node: Comparison, *, within: tuple[str, ...], negated: bool) -> Q:
        is_negated = (node.op == "not_in") != negated
        parts = [
            self.compile_segment(key, f"{node.path}.value[{index}]", within=within, negated=is_negated)
            for index, key in enumerate(node.value)
        ]
        return reduce(and_ if is_negated else or_, parts)

    def compile_segment(self, key: str, path: str, *, within: tuple[str, ...], negated: bool) -> Q:
        if key in within:
            cycle = " → ".join([*within[within.index(key) :], key])
            raise build_error(
                path,
                "cycle",
                _("The segments refer to each other in a cycle: %(cycle)s. Remove one of the references.")
                % {"cycle": cycle},
            )
        if key not in self.segments:
            message = _("Unknown segment %(value)s.") % {"value": format_json(key)}
            raise build_error(path, "unknown_segment", message + suggest_similar(key, self.segments))
        if len(within) > MAX_CHAIN:
            raise build_error(
                path,
                "too_large",
                _("The segments refer to each other more than %(limit)d levels deep.") % {"limit": MAX_CHAIN},
            )
        segment = self.segments[key]
        if segment.kind == Segment.Kind.STATIC:
            return ~compile_static_members(segment.pk) if negated else compile_static_members(segment.pk)
        try:
            return self.compile_tree(parse_condition(segment.condition), within=(*within, key), negated=negated)
        except ConditionError as error:
            raise build_reference_error(key, path, error) from error


def build_error(path: str, code: str, message: str) -> ConditionError:
    return ConditionError([ConditionProblem(path, code, message)])


def build_reference_error(key: str, path: str, error: ConditionError) -> ConditionError:
    """Return the error of a referenced segment, at the path of the reference."""
    first = error.problems[0]
    if first.code in ("cycle", "too_large"):
        return build_error(path, first.code, first.message)
    message = _("The segment %(key)s is not valid: %(reason)s") % {"key": format_json(key), "reason": error}
    return build_error(path, "broken_segment", message)
