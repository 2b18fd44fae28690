"""Records unsubscribe events of the e-mail provider in the consent ledger."""

from collections.abc import Sequence
from datetime import datetime

from customers.events.event_taxonomy import Meaning
from customers.identity.consent.proofs import ConsentProof
from customers.identity.models import Consent, Identifier
from customers.processing.outbox import OutboxEvent
from customers.processing.routing import hash_event_email, select_events_with_meaning


def record_unsubscribes(events: Sequence[OutboxEvent], customer_ids: Sequence[int | None]) -> int:
    """Withdraw the e-mail consent of customers who unsubscribed.

    The IDs of the event identify the customer, or else its email address.

    Only a trusted source may withdraw the consent of others; a browser with a user token withdraws that of its own customer.
    A consent that is already withdrawn gets no second entry. Runs in the caller's transaction.

    Returns:
        The number of entries added.
    """
    unsubscribed = [
        (position, event)
        for position, event, meaning in select_events_with_meaning(events)
        if meaning == Meaning.EMAIL_UNSUBSCRIBED and event.is_verified
    ]
    if not unsubscribed:
        return 0
    owners = find_email_owners(
        [
            hash_event_email(event.parsed_properties)
            for position, event in unsubscribed
            if customer_ids[position] is None and event.is_trusted
        ]
    )
    latest: dict[int, tuple[datetime, OutboxEvent]] = {}
    for position, event in unsubscribed:
        customer_id = customer_ids[position]
        if customer_id is None and event.is_trusted:
            customer_id = owners.get(hash_event_email(event.parsed_properties))
        if customer_id is not None:
            latest[customer_id] = (min(event.occurred_at, event.received_at), event)
    statuses = read_latest_statuses(list(latest))
    entries = [
        Consent(
            customer_id=customer_id,
            purpose=Consent.Purpose.EMAIL,
            status=Consent.Status.WITHDRAWN,
            source=event.source,
            recorded_at=at,
            proof=ConsentProof("event", reference=event.message_id).to_json(),
        )
        for customer_id, (at, event) in sorted(latest.items())
        if statuses.get(customer_id) != Consent.Status.WITHDRAWN
    ]
    Consent.objects.bulk_create(entries)
    return len(entries)


def find_email_owners(email_hashes: Sequence[str]) -> dict[str, int]:
    """Return the customer id of each known e-mail hash."""
    hashes = {email_hash for email_hash in email_hashes if email_hash}
    if not hashes:
        return {}
    owners = Identifier.objects.filter(kind=Identifier.Kind.EMAIL_HASH, value__in=hashes, customer__erased_at=None)
    return dict(owners.values_list("value", "customer_id"))


def read_latest_statuses(customer_ids: Sequence[int]) -> dict[int, str]:
    """Return the current status of each customer's e-mail consent."""
    latest = (
        Consent.objects.filter(customer__in=customer_ids, purpose=Consent.Purpose.EMAIL)
        .order_by("customer_id", "-recorded_at", "-id")
        .distinct("customer_id")
    )
    return dict(latest.values_list("customer_id", "status"))
