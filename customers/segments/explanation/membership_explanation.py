"""Explains why a customer is in a segment, or is not: each part of the condition with what the customer has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from customers.identity.consent.ledger import find_customers_without_profiling
from customers.identity.consent.restrictions import find_restricted_customers
from customers.identity.models import Customer
from customers.segments.conditions.comparisons import compile_comparison
from customers.segments.conditions.compiler import Compiler, list_comparisons
from customers.segments.conditions.condition_labels import describe_node
from customers.segments.conditions.condition_tree import (
    Comparison,
    ConditionError,
    EventSequence,
    Group,
    Negation,
    Node,
)
from customers.segments.conditions.event_conditions import compile_sequence
from customers.segments.conditions.fields import FieldType
from customers.segments.conditions.parsing import parse_condition
from customers.segments.explanation.customer_values import (
    CustomerFieldValues,
    Leaf,
    iterate_leaves,
    match_filters,
    read_customer_values,
)
from customers.segments.explanation.value_labels import describe_value
from customers.segments.models import Segment, SegmentMember


@dataclass(frozen=True)
class ConditionResult:
    """Whether a customer meets one part of a condition.

    Attributes:
        path: of the part in the condition, such as ``$.all[1]``.
        text: the part in words. value: what the customer has, in words; empty for a group.
        parts: of a group.
    """

    path: str
    text: str
    is_met: bool
    value: str = ""
    parts: tuple["ConditionResult", ...] = ()


@dataclass(frozen=True)
class MembershipExplanation:
    """Why a customer is in a segment, or is not. problem: why that is unknown, such as an invalid condition."""

    segment: Segment
    is_member: bool
    parts: tuple[ConditionResult, ...] = ()
    problem: str = ""


@dataclass
class PreparedSegment:
    """A segment whose condition is compiled part by part. filters: by the name of the part."""

    segment: Segment
    node: Node
    filters: dict[str, Q] = field(default_factory=dict)


def explain_segments(
    *, customer: Customer, segments: Sequence[Segment], as_of: datetime, with_personal: bool
) -> list[MembershipExplanation]:
    """Return the explanation of each segment, in a number of queries that does not depend on the number of segments.

    with_personal: whether the reader may see personal traits.
    """
    known = {segment.key: segment for segment in Segment.objects.only("id", "key", "kind", "condition", "name")}
    compiler = Compiler(as_of=as_of, segments=known, customer_ids=[customer.pk])
    nodes, problems = parse_segments(segments)
    compiler.series.load(comparison for node in nodes.values() for comparison in list_comparisons(node))
    prepared: dict[str, PreparedSegment] = {}
    for segment in segments:
        if segment.key in nodes:
            try:
                prepared[segment.key] = prepare_segment(segment, nodes[segment.key], compiler)
            except ConditionError as error:
                problems[segment.key] = str(error)
    met = match_filters(
        {name: part for each in prepared.values() for name, part in each.filters.items()}, customer_id=customer.pk
    )
    leaves = [leaf for each in prepared.values() for leaf in iterate_leaves(each.node)]
    explainer = Explainer(
        met=met,
        values=read_customer_values(leaves, customer_id=customer.pk, series=compiler.series, as_of=as_of),
        names={key: segment.name for key, segment in known.items()},
        is_withheld=bool(find_customers_without_profiling(customer_ids=[customer.pk])),
        with_personal=with_personal,
    )
    static = [segment for segment in segments if segment.kind == Segment.Kind.STATIC]
    members = SegmentMember.objects.filter(customer=customer, segment__in=static)
    added = dict(members.values_list("segment_id", "added_at")) if static else {}
    is_erased = customer.erased_at is not None
    is_restricted = bool(find_restricted_customers(customer_ids=[customer.pk]))
    return [
        explain_static(segment, None if is_erased or is_restricted else added.get(segment.pk))
        if segment.kind == Segment.Kind.STATIC
        else MembershipExplanation(segment, is_member=False, problem=problems[segment.key])
        if segment.key in problems
        else explainer.explain(prepared[segment.key], is_erased=is_erased, is_restricted=is_restricted)
        for segment in segments
    ]


def parse_segments(segments: Sequence[Segment]) -> tuple[dict[str, Node], dict[str, str]]:
    """Return the conditions of dynamic segments and the problems of invalid ones, by key."""
    nodes: dict[str, Node] = {}
    problems: dict[str, str] = {}
    for segment in segments:
        if segment.kind == Segment.Kind.DYNAMIC:
            try:
                nodes[segment.key] = parse_condition(segment.condition)
            except ConditionError as error:
                problems[segment.key] = str(error)
    return nodes, problems


def prepare_segment(segment: Segment, node: Node, compiler: Compiler) -> PreparedSegment:
    """Compile each part of a condition on its own. Errors: ConditionError."""
    prepared, compiler.compiled = PreparedSegment(segment, node), 0
    for leaf in iterate_leaves(node):
        if isinstance(leaf, EventSequence):
            prepared.filters[name_leaf(leaf)] = compile_sequence(leaf, as_of=compiler.as_of, series=compiler.series)
        elif leaf.field.kind != FieldType.SEGMENT:
            prepared.filters[name_leaf(leaf)] = compile_comparison(
                leaf, as_of=compiler.as_of, series=compiler.series, customer_ids=compiler.customer_ids
            )
        else:
            for key in leaf.value:
                prepared.filters[name_leaf(leaf, key)] = compiler.compile_segment(
                    key, leaf.path, within=(segment.key,), negated=False
                )
    return prepared


def name_leaf(leaf: Leaf, key: str = "") -> str:
    return f"{id(leaf)} {key}"


def explain_static(segment: Segment, added_at: datetime | None) -> MembershipExplanation:
    if added_at is None:
        return MembershipExplanation(
            segment, False, (ConditionResult("$", _("In the list of the segment"), False, _("not in the list")),)
        )
    day = date_format(localtime(added_at), "DATE_FORMAT")
    part = ConditionResult("$", _("In the list of the segment"), True, _("added on %(day)s") % {"day": day})
    return MembershipExplanation(segment, True, (part,))


@dataclass
class Explainer:
    """Explains conditions from what was read of one customer. met: by the name of a part. names: of segments, by key."""

    met: dict[str, bool]
    values: CustomerFieldValues
    names: dict[str, str]
    is_withheld: bool
    with_personal: bool

    def explain(self, prepared: PreparedSegment, *, is_erased: bool, is_restricted: bool) -> MembershipExplanation:
        if is_erased:
            return MembershipExplanation(prepared.segment, False, problem=_("An erased customer is in no segment."))
        if is_restricted:
            text = _("The processing of this customer's data is restricted, so they are in no segment.")
            return MembershipExplanation(prepared.segment, False, problem=text)
        result = self.explain_node(prepared.node, "$")
        parts = result.parts if isinstance(prepared.node, Group) and prepared.node.every else (result,)
        return MembershipExplanation(prepared.segment, result.is_met, parts)

    def explain_node(self, node: Node, path: str) -> ConditionResult:
        if isinstance(node, Negation):
            inner = self.explain_node(node.child, f"{path}.not")
            if isinstance(node.child, Group) and inner.parts:
                text = _("Not all of these") if node.child.every else _("None of these")
            else:
                text = capfirst(describe_node(node))
            return ConditionResult(path, text, not inner.is_met, inner.value, inner.parts)
        if isinstance(node, Group):
            word = "all" if node.every else "any"
            parts = tuple(
                self.explain_node(child, f"{path}.{word}[{number}]") for number, child in enumerate(node.children)
            )
            is_met = all(part.is_met for part in parts) if node.every else any(part.is_met for part in parts)
            if not parts:
                return ConditionResult(path, _("Everyone"), is_met)
            text = _("All of these") if node.every else _("At least one of these")
            return ConditionResult(path, text, is_met, parts=parts)
        text = capfirst(describe_node(node))
        if isinstance(node, Comparison) and node.field.kind == FieldType.SEGMENT:
            return self.explain_reference(node, path, text)
        is_met = self.met.get(name_leaf(node), False)
        if isinstance(node, Comparison) and node.field.kind == FieldType.FLAG:
            return ConditionResult(path, text, is_met, str(_("yes") if is_met == node.value else _("no")))
        value = describe_value(node, self.values, is_withheld=self.is_withheld, with_personal=self.with_personal)
        return ConditionResult(path, text, is_met, value)

    def explain_reference(self, node: Comparison, path: str, text: str) -> ConditionResult:
        """Explain a comparison with other segments by those of them that the customer is in."""
        found = [key for key in node.value if self.met.get(name_leaf(node, key))]
        value = ", ".join(self.names[key] for key in found) or _("in none of them")
        return ConditionResult(path, text, bool(found) == (node.op == "in"), value)


def flatten(parts: Sequence[ConditionResult]) -> Iterator[ConditionResult]:
    """Yield each part, followed by the parts of a group."""
    for part in parts:
        yield part
        yield from flatten(part.parts)
