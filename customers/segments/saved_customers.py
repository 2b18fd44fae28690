"""Saves the customers of another page as a segment: dynamic if a condition describes them, else static."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from customers.lifecycle.models import CustomerProfile
from customers.segments.editing import check_condition, create_segment
from customers.segments.membership import count_members
from customers.segments.models import Segment

INSERT_MEMBERS = """
    INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
    SELECT %s, selected.customer_id, %s FROM ({customers}) AS selected
    ON CONFLICT (segment_id, customer_id) DO NOTHING
"""


def save_customers(
    *,
    name: str,
    description: str,
    customers: QuerySet[CustomerProfile],
    condition: Mapping[str, Any] | None,
    as_of: datetime,
) -> Segment:
    """Create and count a segment.

    Args:
        condition: matches exactly these customers; None for a static segment, filled by one statement.

    Raises:
        NameTakenError: a segment with the key of this name already exists.
        ConditionError: the condition is not valid.
    """
    with transaction.atomic():
        if condition is not None:
            check_condition(condition=condition, key="", as_of=as_of)
            segment = create_segment(name=name, description=description, condition=condition)
        else:
            segment = create_segment(name=name, description=description, kind=Segment.Kind.STATIC)
            add_static_members(segment=segment, customers=customers, as_of=as_of)
    count_members(segment=segment, as_of=as_of)
    return segment


def add_static_members(*, segment: Segment, customers: QuerySet[CustomerProfile], as_of: datetime) -> int:
    """Add all customers but the erased ones to a static segment, by one statement; return how many were not in it."""
    ids = customers.filter(customer__erased_at__isnull=True).order_by().values("customer_id")
    query, parameters = ids.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(INSERT_MEMBERS.format(customers=query), [segment.pk, as_of, *parameters])
        return int(cursor.rowcount)
