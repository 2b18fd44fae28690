"""The segments of a customer, on the customer's page."""

from datetime import datetime

from customers.identity.models import Customer
from customers.segments.membership import segments_of
from customers.segments.models import Segment


def told(customer: Customer, as_of: datetime) -> list[Segment]:
    return segments_of(customer=customer, as_of=as_of)
