"""The consent ledger: entries are only added, and the latest entry of each purpose applies."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.locking import lock_identities
from customers.identity.models import Consent, Customer

PROFILING_PURPOSES = (Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION)


def record_consent(
    *,
    customer: Customer,
    purpose: str,
    status: str,
    recorded_at: datetime,
    policy_version: str = "",
    source: str = "",
) -> Consent:
    """Add an entry to the ledger and update the denials that the collector checks."""
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
        refresh_consent_denials(customer_ids=[customer.pk])
    return consent


def record_changed_consents(*, entries: Iterable[tuple[int, str, str]], recorded_at: datetime, source: str) -> int:
    """Add the entries (customer, purpose, status) that change the latest one; return how many.

    A withdrawal of what was never granted is no change.
    """
    wanted = {(customer_id, purpose): status for customer_id, purpose, status in entries}
    if not wanted:
        return 0
    with transaction.atomic():
        lock_identities()
        latest = {
            (customer_id, purpose): status
            for customer_id, purpose, status in Consent.objects.filter(
                customer__in={customer_id for customer_id, _purpose in wanted}
            )
            .order_by("customer", "purpose", "-recorded_at", "-id")
            .distinct("customer", "purpose")
            .values_list("customer", "purpose", "status")
        }
        changed = [
            Consent(customer_id=key[0], purpose=key[1], status=status, source=source, recorded_at=recorded_at)
            for key, status in wanted.items()
            if status != latest.get(key, Consent.Status.WITHDRAWN)
        ]
        Consent.objects.bulk_create(changed)
        refresh_consent_denials(customer_ids={consent.customer_id for consent in changed})
    return len(changed)


def read_latest_consents(*, customer: Customer) -> list[Consent]:
    """Return the current entry of each purpose; a purpose without entries is not included."""
    return list(customer.consents.order_by("purpose", "-recorded_at", "-id").distinct("purpose"))


def find_customers_without_profiling(*, customer_ids: Iterable[int]) -> set[int]:
    """Return those of the customers who have withdrawn consent to analytics or personalization."""
    latest = (
        Consent.objects.filter(customer_id__in=customer_ids, purpose__in=PROFILING_PURPOSES)
        .order_by("customer_id", "purpose", "-recorded_at", "-id")
        .distinct("customer_id", "purpose")
        .values_list("customer_id", "status")
    )
    return {customer_id for customer_id, status in latest if status == Consent.Status.WITHDRAWN}
