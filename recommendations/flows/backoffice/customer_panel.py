"""The flows panel of the customer page: the flows that the customer is in, or was in."""

from datetime import datetime

from customers.identity.models import Customer
from recommendations.flows.models import FlowEntry

MAX_ENTRIES = 20


def list_customer_flows(customer: Customer, as_of: datetime) -> list[FlowEntry]:
    """Return the newest stays of a customer, those that are still active first."""
    entries = FlowEntry.objects.filter(customer_id=customer.pk).select_related("flow")
    newest = list(entries.order_by("-entered_at", "-pk")[:MAX_ENTRIES])
    return sorted(newest, key=lambda entry: entry.status != FlowEntry.Status.ACTIVE)
