"""The segments panel of the customer page."""

from dataclasses import dataclass
from datetime import datetime

from customers.identity.models import Customer
from customers.segments.membership import find_segments
from customers.segments.models import Segment


@dataclass(frozen=True)
class SegmentsPanel:
    """The segments that a customer is in, and the others."""

    customer_id: int
    segments: list[Segment]
    others: list[Segment]


def build_segments_panel(customer: Customer, as_of: datetime) -> SegmentsPanel:
    """Return the segments that the customer is in, and those that it is not in."""
    segments = find_segments(customer=customer, as_of=as_of)
    found = {segment.pk for segment in segments}
    others = [segment for segment in Segment.objects.only("id", "name").order_by("name") if segment.pk not in found]
    return SegmentsPanel(customer.pk, segments, others)
