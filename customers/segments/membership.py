"""Who is in a segment, counted and listed when asked; which segments a customer is in."""

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from django.db import Error, transaction
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery

from customers.identity.models import Customer, Identifier
from customers.segments.conditions.comparisons import members_of_list
from customers.segments.conditions.compiler import Compiler, compile_condition
from customers.segments.conditions.parsing import ConditionError, read_condition
from customers.segments.editing import check_condition
from customers.segments.models import Segment

logger = logging.getLogger(__name__)


def people() -> QuerySet[Customer]:
    """Customers who may be in a segment: all but the erased."""
    return Customer.objects.filter(erased_at__isnull=True)


def matching(*, condition: object, as_of: datetime, within: tuple[str, ...] = ()) -> QuerySet[Customer]:
    """The customers for whom a condition holds.

    Raises:
        ConditionError: the condition cannot work.
    """
    return people().filter(compile_condition(condition, as_of=as_of, within=within))


def members(*, segment: Segment, as_of: datetime) -> QuerySet[Customer]:
    """The customers in a segment, in no particular order.

    Raises:
        ConditionError: the segment's condition cannot work.
    """
    if segment.kind == Segment.Kind.FIXED:
        return people().filter(members_of_list(segment.pk))
    return matching(condition=segment.condition, as_of=as_of, within=(segment.key,))


def with_user_id(customers: QuerySet[Customer]) -> QuerySet[Customer]:
    """Adds ``user_id``: the first of the customer's, or null."""
    user_ids = Identifier.objects.filter(customer=OuterRef("pk"), kind=Identifier.Kind.USER_ID).order_by("pk")
    return customers.annotate(user_id=Subquery(user_ids.values("value")[:1]))


def listed(customers: QuerySet[Customer]) -> QuerySet[Customer]:
    """Customers as lists show them: ``user_id`` and profile, personal fields left in the database."""
    return with_user_id(customers).select_related("profile").defer("name", "email", "phone", "birthday", "traits")


@dataclass(frozen=True)
class Evaluation:
    """A count of a segment. ``size`` is None when it failed, and ``error`` says why."""

    size: int | None
    duration_ms: float
    error: str


def count_members(*, segment: Segment, as_of: datetime) -> Evaluation:
    """Counts a segment and records size, moment, duration or error on it."""
    started = time.perf_counter()
    size, error = None, ""
    try:
        with transaction.atomic():
            size = members(segment=segment, as_of=as_of).count()
    except (ConditionError, Error) as failure:
        error = str(failure).strip()
        logger.warning("Segment %s cannot be counted: %s", segment.key, error)
    evaluation = Evaluation(size, (time.perf_counter() - started) * 1000, error)
    segment.size, segment.error = evaluation.size, evaluation.error
    segment.last_evaluated_at, segment.duration_ms = as_of, evaluation.duration_ms
    segment.save(update_fields=["size", "error", "last_evaluated_at", "duration_ms"])
    return evaluation


@dataclass(frozen=True)
class Preview:
    """What a condition finds, before it is saved."""

    count: int
    as_of: datetime
    duration_ms: float
    sample: list[Customer]


def preview(*, condition: object, key: str, sample: int, as_of: datetime) -> Preview:
    """Counts a condition meant for the segment ``key`` and shows its first customers with ``user_id`` and profile.

    Raises:
        ConditionError: the condition cannot work.
    """
    check_condition(condition=condition, key=key, as_of=as_of)
    started = time.perf_counter()
    found = matching(condition=condition, as_of=as_of, within=(key,) if key else ())
    count = found.count()
    first = listed(found).order_by("pk")[:sample] if count else []
    return Preview(count, as_of, (time.perf_counter() - started) * 1000, list(first))


def evaluate_segments(*, as_of: datetime) -> int:
    """Counts every segment and returns how many could not be counted; one that fails does not stop the others."""
    evaluations = [count_members(segment=segment, as_of=as_of) for segment in Segment.objects.all()]
    return sum(1 for evaluation in evaluations if evaluation.error)


def segments_of(*, customer: Customer, as_of: datetime) -> list[Segment]:
    """The segments a customer is in now, by key: one query for the segments, one for all their
    conditions together.

    A segment whose condition cannot work has no members; its ``error`` says so after the next count.
    """
    segments = list(Segment.objects.all())
    filters = compile_all(segments, as_of=as_of)
    flags = {
        f"in_{number}": ExpressionWrapper(filters[segment.key], output_field=BooleanField())
        for number, segment in enumerate(segments)
        if segment.key in filters
    }
    row = people().filter(pk=customer.pk).annotate(**flags).values(*flags).first() if flags else None
    return [segment for number, segment in enumerate(segments) if row and row.get(f"in_{number}")]


def compile_all(segments: list[Segment], *, as_of: datetime) -> dict[str, Q]:
    """Filter by key, without the segments that cannot work."""
    known = {segment.key: segment for segment in segments}
    filters: dict[str, Q] = {}
    for segment in segments:
        if segment.kind == Segment.Kind.FIXED:
            filters[segment.key] = members_of_list(segment.pk)
            continue
        try:
            node = read_condition(segment.condition)
            filters[segment.key] = Compiler(as_of=as_of, segments=known).compile(node, within=(segment.key,))
        except ConditionError as error:
            logger.warning("Segment %s is left out: %s", segment.key, error)
    return filters
