"""Records in the ledger what a visitor has answered to the consent banner of the site."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import msgspec
from django.db import connection

from customers.events.collector.consent import (
    ANALYTICS,
    PERSONALISATION,
    is_consent_event,
    read_denied_purposes,
    read_granted_purposes,
)
from customers.identity.consent.ledger import ConsentChange, record_consent_changes
from customers.identity.consent.proofs import ConsentProof
from customers.identity.models import Consent, Identifier
from customers.processing.outbox import OutboxEvent

READ_CONTEXTS = """
SELECT id, context::text, properties ->> 'policy_version' FROM events_event
WHERE id = ANY(%s::bigint[]) AND received_at BETWEEN %s AND %s
"""


def record_event_consents(events: Sequence[OutboxEvent], customer_ids: Sequence[int | None]) -> int:
    """Record the answers of these events, in the caller's transaction; return how many changed what applies.

    A browser without a user token can answer only for a visitor without a user ID, never for a customer of the shop.
    """
    answers = [
        (event, customer_id)
        for event, customer_id in zip(events, customer_ids, strict=True)
        if customer_id is not None and event.type == "track" and is_consent_event(event.name)
    ]
    if not answers:
        return 0
    customers = find_customers_with_user_id({customer_id for event, customer_id in answers if not event.is_verified})
    answers = [
        (event, customer_id) for event, customer_id in answers if event.is_verified or customer_id not in customers
    ]
    return record_consent_changes(list_changes(answers))


def find_customers_with_user_id(customer_ids: Collection[int]) -> set[int]:
    """Return those of the customers who have a user ID."""
    if not customer_ids:
        return set()
    known = Identifier.objects.filter(customer__in=customer_ids, kind=Identifier.Kind.USER_ID)
    return set(known.values_list("customer_id", flat=True))


def list_changes(answers: Sequence[tuple[OutboxEvent, int]]) -> Iterator[ConsentChange]:
    """Yield what each answer grants and withdraws, in the order of the events."""
    contexts = read_contexts([event for event, _customer in answers])
    for event, customer_id in answers:
        context, version = contexts.get(event.id, ({}, ""))
        granted, denied = read_granted_purposes(context), read_denied_purposes(context)
        for purpose in (ANALYTICS, PERSONALISATION):
            # an event that was stored without its person only refuses
            if (purpose in granted and (event.user_id or event.anonymous_id)) or purpose in denied:
                status = Consent.Status.GRANTED if purpose in granted else Consent.Status.WITHDRAWN
                yield ConsentChange(
                    customer_id=customer_id,
                    purpose=purpose.value,
                    status=status.value,
                    recorded_at=min(event.occurred_at, event.received_at),
                    source=event.source,
                    policy_version=version[:50],
                    proof=ConsentProof("event", reference=event.message_id),
                )


def read_contexts(events: Sequence[OutboxEvent]) -> dict[int, tuple[dict[str, object], str]]:
    """Return the context of each event, and the version of the privacy policy that it names."""
    if not events:
        return {}
    times: list[datetime] = [event.received_at for event in events]
    with connection.cursor() as cursor:
        cursor.execute(READ_CONTEXTS, [[event.id for event in events], min(times), max(times)])
        return {
            event_id: (msgspec.json.decode(context), version or "") for event_id, context, version in cursor.fetchall()
        }
