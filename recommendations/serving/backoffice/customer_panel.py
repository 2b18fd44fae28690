"""The panel “Recommendations now” on the page of a customer."""

from datetime import datetime
from typing import Any

from customers.identity.models import Customer
from recommendations.serving.backoffice.preview import build_preview, make_customer_request
from recommendations.serving.backoffice.why import explain_preview

MAX_SHOWN_ITEMS = 6


def build_recommendations_panel(customer: Customer, as_of: datetime) -> dict[str, Any]:
    """Return the for-you recommendations as the storefront gets them, each with the reason why it is shown."""
    preview = build_preview(request=make_customer_request(customer, n=MAX_SHOWN_ITEMS), now=as_of)
    return {"response": preview.response, "items": explain_preview(preview), "customer": customer}
