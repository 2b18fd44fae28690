"""The consent ledger: lines are added; the latest line of a purpose is what counts."""

from datetime import datetime

from customers.identity.models import Consent, Customer


def record_consent(
    *,
    customer: Customer,
    purpose: str,
    status: str,
    recorded_at: datetime,
    policy_version: str = "",
    source: str = "",
) -> Consent:
    """Adds a line to the ledger."""
    return Consent.objects.create(
        customer=customer,
        purpose=purpose,
        status=status,
        policy_version=policy_version,
        source=source,
        recorded_at=recorded_at,
    )


def latest_consents(*, customer: Customer) -> list[Consent]:
    """The line that counts for each purpose; a purpose nobody asked about has none."""
    return list(customer.consents.order_by("purpose", "-recorded_at", "-id").distinct("purpose"))
