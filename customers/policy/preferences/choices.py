"""The choices of the preference center: every purpose in plain words, what applies to the customer, and saving what they choose."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.identity.consent.ledger import (
    EffectiveConsent,
    read_effective_consents,
    record_changed_consents,
    withdraw_consents,
)
from customers.identity.consent.proofs import ConsentProof
from customers.identity.consent.regions import MESSAGES, get_consent_rules
from customers.identity.models import Consent, Customer
from customers.policy.document.versions import get_version_number
from customers.policy.preferences.wordings import SEPARATE, WORDINGS, PurposeWording

Purpose = Consent.Purpose
SOURCE = "preference center"
GROUPS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (_("Messages"), MESSAGES),
    (_("What you see in the shop"), (Purpose.PERSONALISATION, Purpose.ANALYTICS)),
    (_("Further consents"), (Purpose.SHARING, *SEPARATE)),
)


@dataclass(frozen=True)
class PreferenceChoice:
    """One line of the page."""

    purpose: str
    wording: PurposeWording
    consent: EffectiveConsent

    @property
    def is_outdated(self) -> bool:
        return self.consent.reason == "outdated"


def list_choices(customer: Customer) -> list[tuple[str | Promise, list[PreferenceChoice]]]:
    """Return the groups of the page with their choices."""
    consents = read_effective_consents(customer=customer, purposes=list(WORDINGS))
    groups = [
        (
            title,
            [
                PreferenceChoice(name, WORDINGS[name], consents[name])
                for name in list_shown(purposes, consents, customer)
            ],
        )
        for title, purposes in GROUPS
    ]
    return [(title, choices) for title, choices in groups if choices]


def list_shown(purposes: Collection[str], consents: dict[str, EffectiveConsent], customer: Customer) -> Iterator[str]:
    rules = get_consent_rules()
    for purpose in purposes:
        is_asked = rules.needs_consent(purpose, customer.country) or consents[purpose].entry is not None
        if purpose not in SEPARATE or is_asked:
            yield purpose


def save_choices(
    customer: Customer,
    allowed: Collection[str],
    *,
    at: datetime,
    proof: ConsentProof,
    shown_ticked: Collection[str] | None = None,
) -> int:
    """Record what the customer has changed among the choices that were shown; return how many.

    A box that was already ticked and stays ticked is not a new consent: nothing is recorded, even if it was withdrawn in another tab since.

    Args:
        shown_ticked: the boxes that were ticked when the page was opened; None for those that apply now.
    """
    choices = [choice for _title, group in list_choices(customer) for choice in group]
    changed = {
        choice.purpose
        for choice in choices
        if (choice.purpose in allowed) != choice.consent.is_allowed
        and (shown_ticked is None or (choice.purpose in allowed) != (choice.purpose in shown_ticked))
    }
    status = Consent.Status
    return record_changed_consents(
        entries=[
            (customer.pk, name, (status.GRANTED if name in allowed else status.WITHDRAWN).value)
            for name in sorted(changed)
        ],
        recorded_at=at,
        source=SOURCE,
        policy_version=get_version_number(),
        proof=proof,
    )


def withdraw_everything(customer: Customer, *, at: datetime, proof: ConsentProof) -> int:
    """Record that the customer refuses every purpose, including those that are not shown; return how many were not refused yet."""
    return withdraw_consents(
        customer=customer,
        purposes=WORDINGS,
        recorded_at=at,
        source=SOURCE,
        policy_version=get_version_number(),
        proof=proof,
    )
