"""Who unsubscribed: an event of the mail provider is a line in the consent ledger."""

from collections.abc import Sequence
from datetime import datetime

from customers.events.event_taxonomy import Meaning
from customers.identity.models import Consent, Identifier
from customers.processing.outbox import TakenEvent
from customers.processing.routing import email_hash_of, meant


def record_unsubscribes(events: Sequence[TakenEvent], customer_ids: Sequence[int | None]) -> int:
    """Withdraws the consent to e-mail of whoever unsubscribed, known by the event's ids or else by its address.

    Somebody who has withdrawn it already gets no second line. Runs in the caller's transaction; how many lines were added.
    """
    unsubscribed = [(place, event) for place, event, meaning in meant(events) if meaning == Meaning.EMAIL_UNSUBSCRIBED]
    if not unsubscribed:
        return 0
    owners = owners_of([email_hash_of(event.said) for place, event in unsubscribed if customer_ids[place] is None])
    latest: dict[int, tuple[datetime, TakenEvent]] = {}
    for place, event in unsubscribed:
        customer_id = customer_ids[place] or owners.get(email_hash_of(event.said))
        if customer_id is not None:
            latest[customer_id] = (min(event.occurred_at, event.received_at), event)
    standing = latest_lines(list(latest))
    lines = [
        Consent(
            customer_id=customer_id,
            purpose=Consent.Purpose.EMAIL,
            status=Consent.Status.WITHDRAWN,
            source=event.source,
            recorded_at=at,
        )
        for customer_id, (at, event) in sorted(latest.items())
        if standing.get(customer_id) != Consent.Status.WITHDRAWN
    ]
    Consent.objects.bulk_create(lines)
    return len(lines)


def owners_of(email_hashes: Sequence[str]) -> dict[str, int]:
    wanted = {email_hash for email_hash in email_hashes if email_hash}
    if not wanted:
        return {}
    found = Identifier.objects.filter(kind=Identifier.Kind.EMAIL_HASH, value__in=wanted, customer__erased_at=None)
    return dict(found.values_list("value", "customer_id"))


def latest_lines(customer_ids: Sequence[int]) -> dict[int, str]:
    lines = (
        Consent.objects.filter(customer__in=customer_ids, purpose=Consent.Purpose.EMAIL)
        .order_by("customer_id", "-recorded_at", "-id")
        .distinct("customer_id")
    )
    return dict(lines.values_list("customer_id", "status"))
