"""Withdraws the consents of customers whose simulated reaction to a message was to unsubscribe, as the link of the message does."""

from customers.identity.consent.ledger import ConsentChange, record_consent_changes
from customers.identity.consent.proofs import ConsentProof
from customers.identity.models import Consent
from recommendations.sending.models import Delivery


def withdraw_unsubscribed(run_id: int, *, source: str) -> int:
    """Record the unsubscribes of a campaign run in the consent ledger, each at its time; return how many. Later runs then leave them out."""
    unsubscribed = Delivery.objects.filter(origin_kind="campaign", origin_id=run_id, unsubscribed_at__isnull=False)
    return record_consent_changes(
        ConsentChange(
            customer_id,
            Consent.Purpose.EMAIL.value,
            Consent.Status.WITHDRAWN.value,
            recorded_at,
            source,
            proof=ConsentProof("message", reference=f"delivery {pk}"),
        )
        for pk, customer_id, recorded_at in unsubscribed.values_list("pk", "customer_id", "unsubscribed_at")
        if recorded_at is not None
    )
