"""The history of segments: who entered and left, the size by day, and the overlap of two segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.utils import timezone

from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.shop.profile import get_time_zone
from customers.identity.models import Customer, Identifier
from customers.segments.models import Segment, SegmentDay, SegmentStay

# One statement compares the members with those of the last evaluation and writes only the changes.
WRITE_STAYS = """
WITH member AS MATERIALIZED ({members}), departed AS (
    UPDATE segments_segmentstay s SET left_at = %(at)s, is_exit_observed = %(observed)s
    WHERE s.segment_id = %(segment)s AND s.left_at IS NULL {among} AND NOT EXISTS (SELECT FROM member m WHERE m.id = s.customer_id)
    RETURNING 1
), arrived AS (
    INSERT INTO segments_segmentstay (segment_id, customer_id, entered_at, is_entry_observed, is_exit_observed)
    SELECT %(segment)s, m.id, %(at)s, %(observed)s, false FROM member m
    WHERE NOT EXISTS (
        SELECT FROM segments_segmentstay s WHERE s.segment_id = %(segment)s AND s.customer_id = m.id AND s.left_at IS NULL
    )
    RETURNING 1
)
SELECT (SELECT count(*) FROM member), (SELECT count(*) FROM arrived), (SELECT count(*) FROM departed)
"""
AMONG = "AND s.customer_id = ANY(%(among)s::bigint[])"
WRITE_DAY = """
INSERT INTO segments_segmentday AS d (segment_id, day, size, entered, "left") VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (segment_id, day) DO UPDATE
SET size = EXCLUDED.size, entered = d.entered + EXCLUDED.entered, "left" = d."left" + EXCLUDED."left"
"""
# adds entries and exits that were seen since the last count; the size of the segment already includes them
ADD_TO_DAY = """
INSERT INTO segments_segmentday AS d (segment_id, day, size, entered, "left")
SELECT id, %(day)s, size, %(arrived)s, %(departed)s FROM segments_segment WHERE id = %(segment)s AND size IS NOT NULL
ON CONFLICT (segment_id, day) DO UPDATE
SET size = EXCLUDED.size, entered = d.entered + EXCLUDED.entered, "left" = d."left" + EXCLUDED."left"
"""


@dataclass(frozen=True)
class SegmentOverlap:
    """How many customers two segments have in common."""

    size: int
    other_size: int
    both: int

    @property
    def share(self) -> float | None:
        """The share of the segment's customers who are in the other one too; None for an empty segment."""
        return self.both / self.size if self.size else None

    @property
    def other_share(self) -> float | None:
        return self.both / self.other_size if self.other_size else None


def record_members(*, segment: Segment, members: QuerySet[Customer], as_of: datetime) -> int:
    """Record who has entered and left the segment since its last evaluation; return its size. In the caller's transaction.

    Customers who are in it at the first evaluation, or after its condition was edited, have not entered because of what they did.
    """
    locked = Segment.objects.select_for_update().only("tracked_condition").get(pk=segment.pk)
    is_observed = locked.tracked_condition == segment.condition
    size, arrived, departed = write_stays(segment, members, as_of, is_observed)
    if not is_observed:
        Segment.objects.filter(pk=segment.pk).update(tracked_condition=segment.condition)
        arrived = departed = 0
    with connection.cursor() as cursor:
        cursor.execute(WRITE_DAY, [segment.pk, timezone.localdate(as_of, get_time_zone()), size, arrived, departed])
    return size


def record_changes(
    *, segment: Segment, members: QuerySet[Customer], customer_ids: Sequence[int], as_of: datetime
) -> None:
    """Record who of some customers has entered and left the segment since its last evaluation. In the caller's transaction.

    After an edit of the condition nothing is recorded, until the segment is counted: nobody has entered because of what they did.

    Args:
        members: those of the customers who are in the segment.
    """
    locked = Segment.objects.select_for_update().only("tracked_condition").get(pk=segment.pk)
    if locked.tracked_condition != segment.condition:
        return
    _members, arrived, departed = write_stays(segment, members, as_of, is_observed=True, among=customer_ids)
    if not arrived and not departed:
        return
    Segment.objects.filter(pk=segment.pk).update(size=Greatest(F("size") + (arrived - departed), 0))
    day = timezone.localdate(as_of, get_time_zone())
    values: dict[str, Any] = {"segment": segment.pk, "day": day, "arrived": arrived, "departed": departed}
    with connection.cursor() as cursor:
        cursor.execute(ADD_TO_DAY, values)


def write_stays(
    segment: Segment,
    members: QuerySet[Customer],
    as_of: datetime,
    is_observed: bool,
    among: Sequence[int] | None = None,
) -> tuple[int, int, int]:
    """Write the changes; return the numbers of members, entries and exits.

    among: the only customers who can have left.
    """
    try:
        statement, values = members.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:  # a condition that nobody can match
        statement, values = "SELECT id FROM identity_customer WHERE false", ()
    names = {f"member_{number}": value for number, value in enumerate(values)}
    placeholders = tuple(f"%({name})s" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE_STAYS.replace("{members}", statement % placeholders).replace(
                "{among}", "" if among is None else AMONG
            ),
            {
                **names,
                "segment": segment.pk,
                "at": as_of,
                "observed": is_observed,
                "among": format_bigint_list(among or ()),
            },
        )
        size, arrived, departed = cursor.fetchone()
    return size, arrived, departed


def list_days(*, segment: Segment, since: date, until: date) -> list[SegmentDay]:
    """Return the days of a segment on which it was evaluated, oldest first."""
    return list(SegmentDay.objects.filter(segment=segment, day__gte=since, day__lte=until).order_by("day"))


def query_entries(segment: Segment) -> QuerySet[SegmentStay]:
    """Return the entries that were observed, newest first, with the customer's ``user_id``."""
    return annotate_user_id(segment.stays.filter(is_entry_observed=True).order_by("-entered_at", "-id"))


def query_exits(segment: Segment) -> QuerySet[SegmentStay]:
    """Return the exits that were observed, newest first, with the customer's ``user_id``."""
    return annotate_user_id(segment.stays.filter(is_exit_observed=True).order_by("-left_at", "-id"))


def annotate_user_id(stays: QuerySet[SegmentStay]) -> QuerySet[SegmentStay]:
    user_ids = Identifier.objects.filter(customer=OuterRef("customer_id"), kind=Identifier.Kind.USER_ID).order_by("pk")
    return stays.annotate(user_id=Subquery(user_ids.values("value")[:1]))


def count_overlap(members: QuerySet[Customer], others: QuerySet[Customer]) -> SegmentOverlap:
    """Count the customers of two segments, and those who are in both."""
    both: Sequence[int] = [
        query.order_by().count() for query in (members, others, members.filter(pk__in=others.order_by().values("pk")))
    ]
    return SegmentOverlap(*both)
