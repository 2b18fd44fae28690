"""Corrections of what is known about a customer: proposed by the customer, applied by an officer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from config.foundation.shop.phone_numbers import is_phone_number
from customers.identity.locking import lock_identities
from customers.identity.models import PERSON_FIELDS, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.trait_updates import TraitUpdate, apply_trait_updates
from customers.identity.traits import IdentifyTraits
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry
from customers.privacy.requests.fulfillment import get_customer
from customers.privacy.requests.history import record_step
from customers.privacy.requests.notices import queue_notice
from customers.privacy.requests.workflow import RequestStateError, finish_request

MAX_LENGTH = 200
REMARK = "remark"
MAX_REMARK = 2000


@dataclass(frozen=True)
class ProposedChange:
    """A field with its present and its proposed value."""

    name: str
    label: str | Promise
    before: str
    after: str


def clean_proposal(values: Mapping[str, str]) -> dict[str, str]:
    """Return the proposed fields without unknown names. Raises ValidationError with a message per field."""
    errors: dict[str, str] = {}
    cleaned: dict[str, str] = {}
    for name in PERSON_FIELDS:
        if name not in values:
            continue
        text = " ".join(str(values[name]).replace("\0", "").split())[:MAX_LENGTH]
        problem = find_problem(name, text)
        if problem:
            errors[name] = problem
        cleaned[name] = text
    remark = str(values.get(REMARK, "")).replace("\0", "").strip()[:MAX_REMARK]
    if remark:
        cleaned[REMARK] = remark
    if errors:
        raise ValidationError(errors)
    return cleaned


def find_problem(name: str, text: str) -> str:
    """Return what is wrong with the value of a field; empty if nothing is. An empty value removes it."""
    if not text:
        return ""
    if name == "email":
        try:
            validate_email(text)
        except ValidationError:
            return _("Enter a valid email address.")
    if name == "phone" and not is_phone_number(text):
        return _("Enter a phone number, such as +49 30 1234567.")
    if name == "birthday":
        try:
            date.fromisoformat(text)
        except ValueError:
            return _("“%(value)s” is not a valid date (YYYY-MM-DD).") % {"value": text}
    return ""


def read_proposal(request: PrivacyRequest) -> dict[str, str]:
    """Return what a request proposes."""
    content = json.loads(request.proposal) if request.proposal else {}
    return {str(name): str(value) for name, value in content.items()}


def list_changes(request: PrivacyRequest) -> list[ProposedChange]:
    """Return the fields that would change, with the present values."""
    customer, proposal = request.customer, read_proposal(request)
    changes = [
        ProposedChange(name, PERSON_FIELDS[name], getattr(customer, name) if customer else "", text)
        for name, text in proposal.items()
        if name in PERSON_FIELDS
    ]
    return [change for change in changes if change.before != change.after]


def apply_proposal(request: PrivacyRequest, *, now: datetime) -> PrivacyRequest:
    """Write the proposed fields, and close the request.

    Raises:
        RequestStateError: the address or number belongs to another customer.
    """
    customer = get_customer(request)
    changes = list_changes(request)
    fields = {change.name: change.after for change in changes}
    before = {change.name: change.before for change in changes}
    with transaction.atomic():
        lock_identities()
        mark_contact_unproven(customer, Identifier.Kind.EMAIL_HASH, before.get("email", ""), hash_email)
        mark_contact_unproven(customer, Identifier.Kind.PHONE_HASH, before.get("phone", ""), hash_phone)
        add_contact(customer, Identifier.Kind.EMAIL_HASH, fields.get("email", ""), hash_email)
        add_contact(customer, Identifier.Kind.PHONE_HASH, fields.get("phone", ""), hash_phone)
        apply_trait_updates(updates=[TraitUpdate(customer.pk, now, IdentifyTraits(fields=fields))])
        record_step(request, PrivacyRequestEntry.Step.APPLIED, at=now, details={"fields": sorted(fields)})
        request = finish_request(request, at=now, result={"fields": sorted(fields)})
        queue_notice(request, "done")
    return request


def mark_contact_unproven(customer: Customer, kind: str, text: str, compute_hash: Callable[[str], str]) -> None:
    """Mark a wrong address or number as unproven: its owner may be someone else, who must not get the customer's data."""
    if text:
        Identifier.objects.filter(customer=customer, kind=kind, value=compute_hash(text)).update(is_proven=False)


def add_contact(customer: Customer, kind: str, text: str, compute_hash: Callable[[str], str]) -> None:
    """Link the hash of a new address or number to the customer."""
    if not text:
        return
    identifier, _created = Identifier.objects.get_or_create(
        kind=kind,
        value=compute_hash(text),
        defaults={"customer": customer, "linked_by": "rectification"},
    )
    if identifier.customer_id == customer.pk:
        Identifier.objects.filter(pk=identifier.pk).update(is_proven=True)
    else:
        raise RequestStateError(
            _("The new %(field)s belongs to customer #%(id)d. Merge the two customers or correct the request.")
            % {"field": identifier.get_kind_display(), "id": identifier.customer_id}
        )
