"""The requests and restrictions of a customer, on the Privacy tab of the customer page."""

from datetime import datetime
from typing import Any

from customers.identity.consent.restrictions import read_active_restrictions
from customers.identity.models import Customer
from customers.privacy.backoffice.request_labels import describe_due
from customers.privacy.models import PrivacyRequest

SHOWN = 20


def build_privacy_panel(customer: Customer, as_of: datetime) -> dict[str, Any]:
    requests = PrivacyRequest.objects.filter(customer=customer).defer("email", "note", "proposal")[:SHOWN]
    return {
        "customer": customer,
        "restrictions": read_active_restrictions(customer=customer),
        "requests": [(request, describe_due(request, now=as_of)) for request in requests],
    }
