"""What a customer would be shown at this moment, on the customer's page."""

from datetime import datetime
from typing import Any

from customers.identity.models import Customer
from recommendations.serving.backoffice.preview import request_of
from recommendations.serving.recommend import recommend

SHOWN = 6


def told(customer: Customer, as_of: datetime) -> dict[str, Any]:
    """The row “for you” as the storefront gets it."""
    return {"answer": recommend(request=request_of(customer, n=SHOWN), now=as_of), "customer": customer}
