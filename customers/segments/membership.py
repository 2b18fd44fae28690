"""Counts and lists the members of a segment, and finds the segments of a customer."""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import Error, OperationalError, connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from config.foundation.database.statement_timeouts import is_statement_timeout
from customers.identity.consent.restrictions import build_restricted_filter
from customers.identity.models import Customer, Identifier
from customers.segments.conditions.comparisons import compile_static_members
from customers.segments.conditions.compiler import Compiler, compile_condition, compile_count, list_comparisons
from customers.segments.conditions.condition_tree import ConditionError, ConditionProblem, Node
from customers.segments.conditions.parsing import parse_condition
from customers.segments.editing import check_condition
from customers.segments.history import record_members
from customers.segments.models import Segment

logger = logging.getLogger(__name__)

READ_MEMBERSHIP = "SELECT {columns} FROM ({customers}) AS member WHERE member.pk = %s"


def query_customers() -> QuerySet[Customer]:
    """Return the customers who can be in a segment: all but the erased and those whose processing is restricted."""
    return Customer.objects.filter(~build_restricted_filter(), erased_at__isnull=True)


def query_matching(*, condition: object, as_of: datetime, within: tuple[str, ...] = ()) -> QuerySet[Customer]:
    """Return the customers who match a condition.

    Raises:
        ConditionError: the condition is not valid.
    """
    return query_customers().filter(compile_condition(condition, as_of=as_of, within=within))


def query_members(*, segment: Segment, as_of: datetime) -> QuerySet[Customer]:
    """Return the customers in a segment, in no particular order.

    Raises:
        ConditionError: the segment's condition is not valid.
    """
    return query_customers().filter(compile_members(segment, as_of=as_of))


def query_restricted_too(*, segment: Segment, as_of: datetime) -> QuerySet[Customer]:
    """Return the customers in a segment and those whom only a restriction of processing keeps out of it; nothing may be done with them.

    Raises:
        ConditionError: the segment's condition is not valid.
    """
    return Customer.objects.filter(compile_members(segment, as_of=as_of), erased_at__isnull=True)


def compile_members(segment: Segment, *, as_of: datetime) -> Q:
    """Return the filter of a segment. Errors: ConditionError."""
    if segment.kind == Segment.Kind.STATIC:
        return compile_static_members(segment.pk)
    return compile_condition(segment.condition, as_of=as_of, within=(segment.key,))


# The counts of a customer are deleted with the customer, in one transaction, but orders of erased customers can be counted again.
COUNT_SELECTED = """
SELECT count(*) FROM ({statement}) AS selected
WHERE NOT EXISTS (SELECT FROM identity_customer c WHERE c.id = selected.customer_id AND c.erased_at IS NOT NULL)
  AND NOT EXISTS (
      SELECT FROM identity_processingrestriction r
      WHERE r.customer_id = selected.customer_id AND r.lifted_at IS NULL AND r.scope = 'all'
  )
"""


def count_matching(*, condition: object, as_of: datetime, within: tuple[str, ...] = ()) -> int:
    """Return the number of customers who match a condition.

    Comparisons of events are counted without joining millions of customers, which takes most of the time.

    Raises:
        ConditionError: the condition is not valid.
    """
    counted = compile_count(condition, as_of=as_of)
    if counted is None:
        return query_matching(condition=condition, as_of=as_of, within=within).count()
    (statement, parameters), is_negated = counted
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SELECTED.replace("{statement}", statement), parameters or None)
        number = int(cursor.fetchone()[0])
    return query_customers().count() - number if is_negated else number


def annotate_user_id(customers: QuerySet[Customer]) -> QuerySet[Customer]:
    """Annotate customers with ``user_id``: their first user ID, or null."""
    user_ids = Identifier.objects.filter(customer=OuterRef("pk"), kind=Identifier.Kind.USER_ID).order_by("pk")
    return customers.annotate(user_id=Subquery(user_ids.values("value")[:1]))


def annotate_list_columns(customers: QuerySet[Customer]) -> QuerySet[Customer]:
    """Add what lists show, ``user_id`` and the profile, and defer the personal fields."""
    return annotate_user_id(customers).select_related("profile").defer("name", "email", "phone", "birthday", "traits")


@dataclass(frozen=True)
class SegmentCount:
    """The result of counting a segment; ``size`` is None if that failed with ``error``."""

    size: int | None
    duration_ms: float
    error: str


def count_members(*, segment: Segment, as_of: datetime, with_history: bool = False) -> SegmentCount:
    """Count a segment, and store size, time, duration and error on it.

    with_history: also record who has entered and left since the last time.
    """
    started = time.perf_counter()
    size, error = None, ""
    try:
        # a savepoint: after a database error the caller's transaction still accepts statements
        with transaction.atomic():
            if with_history or segment.kind == Segment.Kind.STATIC:
                members = query_members(segment=segment, as_of=as_of)
                size = (
                    record_members(segment=segment, members=members, as_of=as_of) if with_history else members.count()
                )
            else:
                size = count_matching(condition=segment.condition, as_of=as_of, within=(segment.key,))
    except (ConditionError, Error) as failure:
        error = str(failure).strip()
        logger.warning("Segment %s cannot be counted: %s", segment.key, error)
    evaluation = SegmentCount(size, (time.perf_counter() - started) * 1000, error)
    segment.size, segment.error = evaluation.size, evaluation.error
    segment.last_evaluated_at, segment.duration_ms = as_of, evaluation.duration_ms
    segment.save(update_fields=["size", "error", "last_evaluated_at", "duration_ms"])
    return evaluation


@dataclass(frozen=True)
class ConditionPreview:
    """The customers who match a condition that has not been saved."""

    count: int
    as_of: datetime
    duration_ms: float
    sample: list[Customer]


def preview_condition(*, condition: object, key: str, sample: int, as_of: datetime) -> ConditionPreview:
    """Count the customers of a condition for the segment ``key``, and return the first ones.

    Raises:
        ConditionError: the condition is not valid, or counting its customers takes too long.
    """
    try:
        with transaction.atomic():
            check_condition(condition=condition, key=key, as_of=as_of)
            started = time.perf_counter()
            within = (key,) if key else ()
            count = count_matching(condition=condition, as_of=as_of, within=within)
            customers = query_matching(condition=condition, as_of=as_of, within=within)
            first = list(annotate_list_columns(customers).order_by("pk")[:sample]) if count else []
    except OperationalError as error:
        if not is_statement_timeout(error):
            raise
        text = _("Counting these customers takes too long. Remove a condition, or try again in a few minutes.")
        raise ConditionError([ConditionProblem("$", "timeout", text)]) from error
    return ConditionPreview(count, as_of, (time.perf_counter() - started) * 1000, first)


def evaluate_segments(*, as_of: datetime) -> int:
    """Count every segment and record its history; return how many failed. A failure does not stop the others."""
    evaluations = [count_members(segment=segment, as_of=as_of, with_history=True) for segment in Segment.objects.all()]
    return sum(1 for evaluation in evaluations if evaluation.error)


def find_segments(*, customer: Customer, as_of: datetime) -> list[Segment]:
    """Return the segments of a customer, sorted by key."""
    return find_segments_of_customers(customer_ids=[customer.pk], as_of=as_of).get(customer.pk, [])


def find_segments_of_customers(*, customer_ids: Sequence[int], as_of: datetime) -> dict[int, list[Segment]]:
    """Return the segments of a few customers, sorted by key; customers without a segment are not included.

    Three queries: the segments, the event series that they use, and all their conditions at once.

    A segment with an invalid condition has no members; its ``error`` has the reason after the next count.
    """
    segments = list(Segment.objects.all())
    filters = compile_segments(segments, as_of=as_of, customer_ids=customer_ids)
    flags = {
        f"in_{number}": ExpressionWrapper(filters[segment.key], output_field=BooleanField())
        for number, segment in enumerate(segments)
        if segment.key in filters
    }
    if not flags or not customer_ids:
        return {}
    rows = query_customers().filter(pk__in=customer_ids).annotate(**flags).values("pk", *flags)
    memberships = {
        row["pk"]: [segment for number, segment in enumerate(segments) if row.get(f"in_{number}")] for row in rows
    }
    return {customer_id: found for customer_id, found in memberships.items() if found}


@dataclass(frozen=True)
class MembershipQuery:
    """The compiled conditions of a few segments: whether a customer is in them is then one statement, without building it again."""

    segment_ids: tuple[int, ...]
    sql: str
    parameters: tuple[Any, ...]

    def find_segments(self, customer_id: int) -> frozenset[int]:
        """Return the IDs of the segments that a customer is in."""
        if not self.segment_ids:
            return frozenset()
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [*self.parameters, customer_id])
            row = cursor.fetchone() or ()
        return frozenset(segment_id for segment_id, is_member in zip(self.segment_ids, row, strict=False) if is_member)


def compile_membership(
    *, segments: Sequence[Segment], as_of: datetime, customer_ids: Collection[int] | None = None
) -> MembershipQuery:
    """Compile the conditions of a few segments; one with an invalid condition has no members.

    customer_ids: the customers that the query is for; None: any. See `compile_condition`.
    """
    flags = {}
    for segment in segments:
        try:
            flags[segment.pk] = ExpressionWrapper(
                compile_static_members(segment.pk)
                if segment.kind == Segment.Kind.STATIC
                else compile_condition(
                    segment.condition, as_of=as_of, within=(segment.key,), customer_ids=customer_ids
                ),
                output_field=BooleanField(),
            )
        except ConditionError as error:
            logger.warning("Segment %s is skipped: %s", segment.key, error)
    names = [f"in_{pk}" for pk in flags]
    rows = query_customers().annotate(**dict(zip(names, flags.values(), strict=True))).order_by().values("pk", *names)
    sql, parameters = rows.query.sql_with_params()
    columns = ", ".join(f"member.{name}" for name in names)
    # PostgreSQL reads only this customer, because it merges the subquery into the statement around it.
    return MembershipQuery(tuple(flags), READ_MEMBERSHIP.format(columns=columns, customers=sql), parameters)


def compile_segments(
    segments: list[Segment], *, as_of: datetime, customer_ids: Collection[int] | None = None
) -> dict[str, Q]:
    """Return the filter of each segment by key; segments with an invalid condition are omitted."""
    known = {segment.key: segment for segment in segments}
    compiler = Compiler(as_of=as_of, segments=known, customer_ids=customer_ids)
    filters: dict[str, Q] = {}
    nodes: dict[str, Node] = {}
    for segment in segments:
        if segment.kind == Segment.Kind.STATIC:
            filters[segment.key] = compile_static_members(segment.pk)
            continue
        try:
            nodes[segment.key] = parse_condition(segment.condition)
        except ConditionError as error:
            logger.warning("Segment %s is skipped: %s", segment.key, error)
    compiler.series.load(comparison for node in nodes.values() for comparison in list_comparisons(node))
    for key, node in nodes.items():
        compiler.compiled = 0
        try:
            filters[key] = compiler.compile_tree(node, within=(key,))
        except ConditionError as error:
            logger.warning("Segment %s is skipped: %s", key, error)
    return filters
