"""Makes a segment of people that another page has found: a living one where a condition says who they are, else a list of that moment."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from customers.lifecycle.models import CustomerProfile
from customers.segments.editing import check_condition, new_segment
from customers.segments.membership import count_members
from customers.segments.models import Segment

PUT_ON_LIST = """
    INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
    SELECT %s, people.customer_id, %s FROM ({people}) AS people
"""


def save_people(
    *,
    name: str,
    description: str,
    people: QuerySet[CustomerProfile],
    condition: Mapping[str, Any] | None,
    as_of: datetime,
) -> Segment:
    """A new segment, counted. condition: holds for exactly these people; without one they are put on a fixed list, in one statement.

    Raises:
        NameTakenError: there is a segment of that name's key.
        ConditionError: the condition cannot work.
    """
    with transaction.atomic():
        if condition is not None:
            check_condition(condition=condition, key="", as_of=as_of)
            segment = new_segment(name=name, description=description, condition=condition)
        else:
            segment = new_segment(name=name, description=description, kind=Segment.Kind.FIXED)
            put_on_list(segment=segment, people=people, as_of=as_of)
    count_members(segment=segment, as_of=as_of)
    return segment


def put_on_list(*, segment: Segment, people: QuerySet[CustomerProfile], as_of: datetime) -> None:
    """All but the erased, by one statement however many they are."""
    ids = people.filter(customer__erased_at__isnull=True).order_by().values("customer_id")
    query, parameters = ids.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(PUT_ON_LIST.format(people=query), [segment.pk, as_of, *parameters])
