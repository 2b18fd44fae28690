"""Adds the customers of the list to a static segment in one step, and undoes an addition."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.segments.membership import count_members
from customers.segments.models import Segment, SegmentAddition, SegmentMember
from customers.segments.saved_customers import add_static_members

MAX_ADDED = 100_000


class TooManyCustomersError(ValueError):
    """More customers than can be added at once."""


def check_number(number: int) -> None:
    """Raise TooManyCustomersError if this is more than can be added to a segment in one step."""
    if number > MAX_ADDED:
        raise TooManyCustomersError(
            _(
                "%(number)s customers are too many to add at once; the maximum is %(maximum)s. Save the filter as a dynamic "
                "segment instead, or filter further."
            )
            % {
                "number": number_format(number, force_grouping=True),
                "maximum": number_format(MAX_ADDED, force_grouping=True),
            }
        )


def add_to_segment(
    *, segment: Segment, customers: QuerySet[Customer], user: Any, as_of: datetime
) -> SegmentAddition | None:
    """Add customers to a static segment and count it; return None if all of them were in it.

    Raises:
        TooManyCustomersError: there are more than `MAX_ADDED`.
    """
    with transaction.atomic():
        profiles = CustomerProfile.objects.filter(pk__in=customers.order_by().values("pk"))
        added = add_static_members(segment=segment, customers=profiles, as_of=as_of)
        check_number(added)
        addition = (
            SegmentAddition.objects.create(segment=segment, user=user, added_at=as_of, count=added) if added else None
        )
    count_members(segment=segment, as_of=as_of)
    return addition


def undo_addition(*, addition: SegmentAddition, as_of: datetime) -> int:
    """Take the customers of an addition out of its segment; return how many were still in it. Idempotent."""
    with transaction.atomic():
        locked = SegmentAddition.objects.select_for_update().select_related("segment").get(pk=addition.pk)
        if locked.undone_at is not None:
            return 0
        removed, _rows = SegmentMember.objects.filter(segment_id=locked.segment_id, added_at=locked.added_at).delete()
        locked.undone_at = as_of
        locked.save(update_fields=["undone_at"])
    count_members(segment=locked.segment, as_of=as_of)
    return removed
