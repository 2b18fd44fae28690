"""The consent ledger: lines are added; the latest line of a purpose is what counts."""

from datetime import datetime

from django.db import transaction

from customers.identity.consent.consent_denials import rewrite_refusals
from customers.identity.locking import lock_identities
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
    """Adds a line to the ledger, and what follows from it for the collector."""
    with transaction.atomic():
        lock_identities()
        consent = Consent.objects.create(
            customer=customer,
            purpose=purpose,
            status=status,
            policy_version=policy_version,
            source=source,
            recorded_at=recorded_at,
        )
        rewrite_refusals(customer_ids=[customer.pk])
    return consent


def latest_consents(*, customer: Customer) -> list[Consent]:
    """The line that counts for each purpose; a purpose nobody asked about has none."""
    return list(customer.consents.order_by("purpose", "-recorded_at", "-id").distinct("purpose"))
