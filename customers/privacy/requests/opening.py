"""Opens requests from any channel: the self-service page, REST, an officer, a command or a webhook."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from config.foundation.shop.profile import get_shop_country, get_time_zone
from customers.identity.models import Customer
from customers.privacy.due_dates import compute_due_at
from customers.privacy.models import (
    IdentityProof,
    PrivacyRequest,
    PrivacyRequestEntry,
    RequestKind,
    RequestState,
    load_privacy_settings,
)
from customers.privacy.regulations import choose_regulation
from customers.privacy.requests.history import record_step
from customers.privacy.requests.workflow import prove_identity

Step = PrivacyRequestEntry.Step


@dataclass(frozen=True, kw_only=True)
class NewRequest:
    """What someone asks. email: where the answer goes; empty if the shop answers. proposal: fields of a rectification."""

    kind: str
    channel: str
    customer: Customer | None
    email: str = ""
    language: str = ""
    regulation: str = ""
    proof: str = IdentityProof.NONE
    note: str = ""
    proposal: Mapping[str, Any] = field(default_factory=dict)
    external_id: str | None = None
    waits_for_email: bool = False


def open_request(new: NewRequest, *, now: datetime) -> tuple[PrivacyRequest, bool]:
    """Store a request and start its clock; return it, and whether it is new.

    A customer's open request of the same kind is returned instead of a second one, and so is that of a repeated webhook. A request whose
    requester is unknown waits: its clock is paused until the identity is proven. If a proven request finds a waiting one of the same kind,
    the waiting one is proven and counts as new, so that the caller does what it asks.
    """
    with transaction.atomic():
        known = find_same_request(new)
        if known is not None:
            if is_proof_for(new, known):
                return prove_waiting(known, new, now=now), True
            return known, False
        settings = load_privacy_settings()
        country = new.customer.country if new.customer is not None else ""
        holiday_country = country or get_shop_country()
        regulation = new.regulation or choose_regulation(country, default=settings.regulation)
        request = PrivacyRequest.objects.create(
            kind=new.kind,
            channel=new.channel,
            customer=new.customer,
            email=new.email,
            language=new.language or (new.customer.language if new.customer is not None else ""),
            regulation=regulation,
            country=holiday_country,
            proof=new.proof,
            note=new.note,
            proposal=json.dumps(new.proposal, ensure_ascii=False) if new.proposal else "",
            external_id=new.external_id,
            received_at=now,
            due_at=compute_due_at(
                received_at=now, regulation=regulation, country=holiday_country, zone=get_time_zone()
            ),
            state=RequestState.WAITING if new.waits_for_email else RequestState.RECEIVED,
            paused_at=now if new.proof == IdentityProof.NONE else None,
        )
        record_step(request, Step.RECEIVED, at=now, details={"channel": new.channel})
        if request.paused_at is not None:
            record_step(request, Step.PAUSED, at=now)
        return request, True


def find_same_request(new: NewRequest) -> PrivacyRequest | None:
    """Return the request of the same webhook, or the customer's open one of the same kind; a rectification may be repeated."""
    if new.external_id:
        known = PrivacyRequest.objects.filter(external_id=new.external_id).first()
        if known is not None:
            return known
    if new.customer is None or new.kind == RequestKind.RECTIFICATION:
        return None
    Customer.objects.select_for_update(no_key=True).filter(pk=new.customer.pk).first()
    return PrivacyRequest.objects.open().filter(customer=new.customer, kind=new.kind).first()


def is_proof_for(new: NewRequest, known: PrivacyRequest) -> bool:
    """Return whether a new request proves the identity for which an open one waits; a repeated webhook proves nothing again."""
    is_repeated = bool(new.external_id) and known.external_id == new.external_id
    return known.is_open and known.paused_at is not None and new.proof != IdentityProof.NONE and not is_repeated


def prove_waiting(known: PrivacyRequest, new: NewRequest, *, now: datetime) -> PrivacyRequest:
    """Prove a waiting request. The answer goes to who has proven it, because the first address may be that of someone else."""
    proven = prove_identity(known, proof=new.proof, at=now)
    proven.email, proven.language = new.email, new.language or proven.language
    proven.external_id = proven.external_id or new.external_id
    proven.save(update_fields=["email", "language", "external_id"])
    return proven
