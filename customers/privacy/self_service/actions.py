"""What a customer can do on the page of their data: each action is a privacy request that the link has proven."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from customers.identity.consent.restrictions import read_active_restrictions
from customers.identity.models import Customer, ProcessingRestriction
from customers.privacy.models import PrivacyRequest, RequestChannel, RequestKind
from customers.privacy.requests.fulfillment import fulfill_request, lift_customer_restriction
from customers.privacy.requests.history import CUSTOMER
from customers.privacy.requests.opening import NewRequest, open_request
from customers.privacy.requests.rectification import clean_proposal
from customers.privacy.requests.workflow import RequestStateError, cancel_request
from customers.privacy.self_service.links import AccessLink, is_used, use_once

IMMEDIATE_KINDS = {
    "export": RequestKind.ACCESS,
    "object_profiling": RequestKind.OBJECT_PROFILING,
    "object_marketing": RequestKind.OBJECT_MARKETING,
    "restrict": RequestKind.RESTRICTION,
}
LIFTED_SCOPES = {
    "allow_profiling": ProcessingRestriction.Scope.PROFILING,
    "allow_marketing": ProcessingRestriction.Scope.MARKETING,
    "allow_all": ProcessingRestriction.Scope.ALL,
}
SOURCE = "privacy page"


def perform_action(
    *, action: str, token: str, link: AccessLink, customer: Customer, values: Mapping[str, str], now: datetime
) -> str:
    """Do what a button of the page asks; return what has happened, for the page.

    Raises:
        RequestStateError: the action is not possible; the text is for the customer.
        ValidationError: a field of a correction is not valid.
    """
    if action in IMMEDIATE_KINDS:
        open_proven(IMMEDIATE_KINDS[action], link, customer, now=now)
        return action
    if action in LIFTED_SCOPES:
        for restriction in read_active_restrictions(customer=customer):
            if restriction.scope == LIFTED_SCOPES[action]:
                lift_customer_restriction(restriction, now=now, source=SOURCE, actor=CUSTOMER)
        return action
    if action == "correct":
        return ask_for_correction(link, customer, values, now=now)
    if action == "erase":
        return ask_for_erasure(token, link, customer, values, now=now)
    if action == "undo":
        withdraw_erasures(customer, now=now)
        return action
    raise RequestStateError(_("This action is not available. Reload the page and try again."))


def open_proven(
    kind: str, link: AccessLink, customer: Customer, *, now: datetime, proposal: Mapping[str, str] | None = None
) -> PrivacyRequest:
    """Open a request of the owner of a link and do what it asks."""
    with transaction.atomic():
        request, is_new = open_request(
            NewRequest(
                kind=kind,
                channel=RequestChannel.PAGE,
                customer=customer,
                email=link.email or customer.email,
                language=link.language,
                proof=link.proof,
                proposal=proposal or {},
            ),
            now=now,
        )
        return fulfill_request(request, now=now, actor=CUSTOMER) if is_new else request


def ask_for_correction(link: AccessLink, customer: Customer, values: Mapping[str, str], *, now: datetime) -> str:
    proposal = clean_proposal(values)
    changed = {name: text for name, text in proposal.items() if getattr(customer, name, "") != text}
    if not changed:
        raise RequestStateError(_("You have changed nothing."))
    open_proven(RequestKind.RECTIFICATION, link, customer, now=now, proposal=changed)
    return "correct"


def ask_for_erasure(
    token: str, link: AccessLink, customer: Customer, values: Mapping[str, str], *, now: datetime
) -> str:
    """Schedule the erasure after the second confirmation; a link can do so once."""
    if values.get("confirmed") != "yes":
        raise RequestStateError(_("Tick the box to confirm that you want your data to be erased."))
    scheduled = PrivacyRequest.objects.open().filter(customer=customer, kind=RequestKind.ERASURE, runs_at__isnull=False)
    if scheduled.exists():  # a second click, or another tab
        return "erase"
    if is_used(token):
        raise RequestStateError(_("This link has already been used for an erasure. Ask for a new link."))
    open_proven(RequestKind.ERASURE, link, customer, now=now)
    use_once(token, now=now)
    return "erase"


def withdraw_erasures(customer: Customer, *, now: datetime) -> int:
    """Withdraw the erasures that have not begun; return their number."""
    requests = PrivacyRequest.objects.open().filter(customer=customer, kind=RequestKind.ERASURE)
    for request in requests:
        cancel_request(request, at=now)
    return len(requests)
