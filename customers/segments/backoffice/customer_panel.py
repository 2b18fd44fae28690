"""The segments panel of the customer page."""

from datetime import datetime

from customers.identity.models import Customer
from customers.segments.membership import find_segments
from customers.segments.models import Segment


def list_customer_segments(customer: Customer, as_of: datetime) -> list[Segment]:
    """Return the segments that the customer is in."""
    return find_segments(customer=customer, as_of=as_of)
