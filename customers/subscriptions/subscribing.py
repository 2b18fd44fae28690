"""Takes sign-ups and confirms them: an entry of the consent ledger and an event that starts flows."""

from datetime import datetime

import msgspec
from django.db import transaction

from config.foundation.processes.background_tasks import start_task
from customers.events.collector.ingest import ingest_items
from customers.events.models import Source
from customers.identity.consent.ledger import record_consent
from customers.identity.consent.proofs import ConsentProof
from customers.identity.erased.blocked_identifiers import find_last_block, release_identifiers
from customers.identity.locking import lock_identities
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.identity.resolution.blocklist import is_blocked_email
from customers.identity.resolution.user_ids import find_customer
from customers.subscriptions.limits import is_email_limited
from customers.subscriptions.requests import InvalidLinkError, SubscriptionRequest, make_token, read_token
from customers.subscriptions.tasks import send_confirmation

SOURCE_KEY = "forms"
CONFIRMED_EVENT = "Newsletter Subscribed"


def request_subscription(*, request: SubscriptionRequest, origin: str) -> bool:
    """Send a confirmation mail, unless the address is a placeholder or has already received too many; return False if the queue does not respond.

    It depends on nothing that is known about the address, so an answer cannot reveal whether it belongs to a customer.
    """
    seconds = request.requested_at.timestamp()
    if is_blocked_email(request.email) or is_email_limited(hash_email(request.email), seconds=seconds):
        return True
    return start_task(send_confirmation, make_token(request), origin)


def confirm_subscription(*, token: str, now: datetime) -> Customer:
    """Record the consent to email of the owner of the address, who becomes a customer if unknown; a repetition changes nothing.

    The browser that sent the form is not linked to the customer: it may belong to someone else who entered this address.

    Raises:
        InvalidLinkError: the link is damaged or too old, or the customer has unsubscribed or was erased since.
    """
    request = read_token(token, now=now)
    with transaction.atomic():
        lock_identities()
        readmit_erased_person(request, now=now)
        customer = find_or_create_customer(request, now=now)
        if has_later_consent(customer, request):
            return customer
        record_consent(
            customer=customer,
            purpose=Consent.Purpose.EMAIL,
            status=Consent.Status.GRANTED,
            recorded_at=now,
            policy_version=request.policy_version,
            source=f"form:{request.form}"[:100],
            proof=ConsentProof("form", reference=request.form),
        )
        record_event(request, now=now)
    return customer


def is_confirmed(request: SubscriptionRequest) -> bool:
    """Return whether the owner of the address is subscribed since the sign-up, so that there is nothing to confirm.

    Raises:
        InvalidLinkError: the customer has unsubscribed or was erased since.
    """
    email_hash = hash_email(request.email)
    customer = find_customer(Identifier.Kind.EMAIL_HASH, email_hash)
    if customer is not None:
        return has_later_consent(customer, request)
    blocked_at = find_last_block(list_keys(email_hash))
    if blocked_at is not None and request.requested_at <= blocked_at:
        raise InvalidLinkError
    return False


def has_later_consent(customer: Customer, request: SubscriptionRequest) -> bool:
    """Return whether consent to email was given after the sign-up. Raises InvalidLinkError if it was withdrawn after it."""
    latest = customer.consents.filter(purpose=Consent.Purpose.EMAIL).first()
    if latest is None or latest.recorded_at < request.requested_at:
        return False
    if latest.status == Consent.Status.WITHDRAWN:
        raise InvalidLinkError
    return True


def list_keys(email_hash: str) -> list[tuple[str, str]]:
    """Return the identifiers by which an address is known and blocked."""
    return [
        (Identifier.Kind.EMAIL_HASH.value, email_hash),
        (Identifier.Kind.ANONYMOUS_ID.value, build_event_id(email_hash)),
    ]


def readmit_erased_person(request: SubscriptionRequest, *, now: datetime) -> None:
    """Release the address of an erased person who has signed up again since: it is the person who asks to come back.

    Raises:
        InvalidLinkError: the sign-up is older than the erasure, which was the person's last word.
    """
    keys = list_keys(hash_email(request.email))
    blocked_at = find_last_block(keys)
    if blocked_at is None:
        return
    if request.requested_at <= blocked_at:
        raise InvalidLinkError
    release_identifiers(keys, at=now, by=f"form:{request.form}")


def find_or_create_customer(request: SubscriptionRequest, *, now: datetime) -> Customer:
    """Return the customer of the address, with an ID for the event; the caller holds the identity lock."""
    email_hash = hash_email(request.email)
    customer = find_customer(Identifier.Kind.EMAIL_HASH, email_hash)
    if customer is None:
        customer = Customer.objects.create(
            email=request.email, language=request.language, first_seen_at=now, last_seen_at=now
        )
        Identifier.objects.create(
            kind=Identifier.Kind.EMAIL_HASH, value=email_hash, customer=customer, linked_by=f"form:{request.form}"[:100]
        )
    elif not customer.email:
        customer.email = request.email
        customer.save(update_fields=["email"])
    Identifier.objects.get_or_create(
        kind=Identifier.Kind.ANONYMOUS_ID,
        value=build_event_id(email_hash),
        defaults={"customer": customer, "linked_by": f"form:{request.form}"[:100]},
    )
    return customer


def build_event_id(email_hash: str) -> str:
    """Return the anonymous ID of the events of an address; nobody can guess it, because the hash is keyed."""
    return f"form-{email_hash[:40]}"


def record_event(request: SubscriptionRequest, *, now: datetime) -> None:
    """Store the event of a confirmed sign-up, which can start a flow."""
    source, _created = Source.objects.get_or_create(
        key=SOURCE_KEY, defaults={"name": "Forms", "kind": Source.Kind.SERVER}
    )
    email_hash = hash_email(request.email)
    event = {
        "type": "track",
        "event": CONFIRMED_EVENT,
        "anonymousId": build_event_id(email_hash),
        "messageId": f"form-{email_hash[:24]}-{int(request.requested_at.timestamp())}",
        "timestamp": now.isoformat(),
        "properties": {"form": request.form, "policy_version": request.policy_version},
    }
    ingest_items(source=source, items=[msgspec.json.encode(event)], call_type=None, sent_at=None, received_at=now)
