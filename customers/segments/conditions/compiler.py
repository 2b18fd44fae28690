"""The condition tree of a segment: read, checked, and compiled to one query filter.

A tree is ``{"all": [tree, …]}``, ``{"any": [tree, …]}``, ``{"not": tree}`` or a comparison such as
``{"field": "stage", "op": "in", "value": ["loyal"]}``. ``{"all": []}`` is everybody. Logic is two-valued: a comparison
with something unknown is false, so ``not`` of it is true.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.db.models import Q
from django.utils.translation import gettext as _

from customers.segments.conditions.comparisons import compile_comparison, members_of_list
from customers.segments.conditions.fields import Kind
from customers.segments.conditions.parsing import (
    Comparison,
    ConditionError,
    Group,
    Node,
    Not,
    Problem,
    nearest,
    read_condition,
    shown,
)
from customers.segments.models import Segment

EVERYBODY = Q(pk__isnull=False)
NOBODY = Q(pk__isnull=True)
MAX_COMPARISONS = 1000
MAX_CHAIN = 10


def compile_condition(condition: object, *, as_of: datetime, within: Sequence[str] = ()) -> Q:
    """A filter over ``Customer`` that holds for exactly the customers of the tree.

    Args:
        condition: the tree, as JSON.
        as_of: the moment from which "in the last days" counts back.
        within: the key of the segment the tree belongs to, so that a circle through it is found.

    Raises:
        ConditionError: the tree cannot work; every problem is named with its path.
    """
    node = read_condition(condition)
    segments = all_segments() if refers_to_segments(node) else {}
    return Compiler(as_of=as_of, segments=segments).compile(node, within=tuple(within))


def all_segments() -> Mapping[str, Segment]:
    return {segment.key: segment for segment in Segment.objects.only("id", "key", "kind", "condition")}


def comparisons(node: Node) -> list[Comparison]:
    """Every comparison of a tree, from left to right."""
    if isinstance(node, Comparison):
        return [node]
    children = [node.child] if isinstance(node, Not) else node.children
    return [comparison for child in children for comparison in comparisons(child)]


def refers_to_segments(node: Node) -> bool:
    return any(comparison.field.kind == Kind.SEGMENT for comparison in comparisons(node))


class Compiler:
    """Turns trees into filters as of one moment; other segments are compiled in place."""

    def __init__(self, *, as_of: datetime, segments: Mapping[str, Segment]) -> None:
        self.as_of = as_of
        self.segments = segments
        self.compiled = 0

    def compile(self, node: Node, *, within: tuple[str, ...], negated: bool = False) -> Q:
        """The filter of a node, or of its contrary; a "not" sinks through groups down to the comparisons."""
        if isinstance(node, Not):
            return self.compile(node.child, within=within, negated=not negated)
        if isinstance(node, Group):
            return self.compile_group(node, within=within, negated=negated)
        self.compiled += 1
        if self.compiled > MAX_COMPARISONS:
            message = _("With the segments it refers to, the condition has more than %(limit)d comparisons.")
            raise refusal(node.path, "too_large", message % {"limit": MAX_COMPARISONS})
        if node.field.kind == Kind.SEGMENT:
            return self.compile_segments(node, within=within, negated=negated)
        return compile_comparison(node, as_of=self.as_of, negated=negated)

    def compile_group(self, group: Group, *, within: tuple[str, ...], negated: bool) -> Q:
        if not group.children:
            return NOBODY if negated else EVERYBODY
        parts = [self.compile(child, within=within, negated=negated) for child in group.children]
        return reduce(and_ if group.every != negated else or_, parts)

    def compile_segments(self, node: Comparison, *, within: tuple[str, ...], negated: bool) -> Q:
        outside = (node.op == "not_in") != negated
        parts = [
            self.compile_segment(key, f"{node.path}.value[{place}]", within=within, negated=outside)
            for place, key in enumerate(node.value)
        ]
        return reduce(and_ if outside else or_, parts)

    def compile_segment(self, key: str, path: str, *, within: tuple[str, ...], negated: bool) -> Q:
        if key in within:
            circle = " → ".join([*within[within.index(key) :], key])
            raise refusal(
                path,
                "circle",
                _("Segments refer to each other in a circle: %(circle)s. Take one of them out.") % {"circle": circle},
            )
        if key not in self.segments:
            message = _("There is no segment %(value)s.") % {"value": shown(key)}
            raise refusal(path, "unknown_segment", message + nearest(key, self.segments))
        if len(within) > MAX_CHAIN:
            raise refusal(
                path,
                "too_large",
                _("Segments refer to each other over more than %(limit)d steps.") % {"limit": MAX_CHAIN},
            )
        segment = self.segments[key]
        if segment.kind == Segment.Kind.FIXED:
            return ~members_of_list(segment.pk) if negated else members_of_list(segment.pk)
        try:
            return self.compile(read_condition(segment.condition), within=(*within, key), negated=negated)
        except ConditionError as error:
            raise blamed_on(key, path, error) from error


def refusal(path: str, code: str, message: str) -> ConditionError:
    return ConditionError([Problem(path, code, message)])


def blamed_on(key: str, path: str, error: ConditionError) -> ConditionError:
    """The trouble of a segment that is referred to, told at the place of the reference."""
    first = error.problems[0]
    if first.code in ("circle", "too_large"):
        return refusal(path, first.code, first.message)
    message = _("Segment %(key)s cannot work itself: %(reason)s") % {"key": shown(key), "reason": error}
    return refusal(path, "broken_segment", message)
