"""The portrait of one customer, computed on request."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy

from customers.identity.consent.ledger import PROFILING_PURPOSES, read_effective_consents
from customers.identity.models import Consent, Customer
from customers.lifecycle.models import VALUE_COLUMNS
from customers.lifecycle.portrait.buying_habits import make_buying_lines
from customers.lifecycle.portrait.line import PortraitGroup, PortraitLine
from customers.lifecycle.portrait.preferences import (
    make_preference_lines,
    measure_category_interests,
    read_product_actions,
)
from customers.lifecycle.portrait.queries import read_events, read_orders, read_shop_rates
from customers.lifecycle.portrait.responses import make_response_lines
from customers.lifecycle.portrait.traits import make_identity_lines, read_stored_customer


class WithheldReason(TextChoices):
    """Why lines derived from behavior are withheld."""

    ERASED = "erased", gettext_lazy("the customer was erased")
    ANALYTICS = "analytics_withdrawn", gettext_lazy("the customer has withdrawn consent to analytics")
    PERSONALISATION = (
        "personalisation_withdrawn",
        gettext_lazy("the customer has withdrawn consent to personalization"),
    )
    NO_ANALYTICS = "analytics_missing", gettext_lazy("the customer has not consented to analytics")
    NO_PERSONALISATION = "personalisation_missing", gettext_lazy("the customer has not consented to personalization")


# purpose → the reason after a withdrawal, and where the consent is missing or has to be renewed
REASONS: dict[str, tuple[WithheldReason, WithheldReason]] = {
    Consent.Purpose.ANALYTICS: (WithheldReason.ANALYTICS, WithheldReason.NO_ANALYTICS),
    Consent.Purpose.PERSONALISATION: (WithheldReason.PERSONALISATION, WithheldReason.NO_PERSONALISATION),
}


@dataclass(frozen=True)
class CustomerPortrait:
    """The portrait of a customer as of a time.

    withheld: a `WithheldReason`, or "" if nothing is withheld. hidden_lines: number of personal lines that the reader may not see.
    more_traits: number of traits beyond the maximum. orders, events: number of documents and events that were read.
    """

    as_of: datetime
    lines: list[PortraitLine] = field(default_factory=list)
    withheld: str = ""
    hidden_lines: int = 0
    more_traits: int = 0
    orders: int = 0
    events: int = 0

    @property
    def withheld_name(self) -> str:
        return str(WithheldReason(self.withheld).label) if self.withheld else ""

    def to_profile_fields(self) -> dict[str, Any]:
        """Return the fields that the portrait adds to the REST profile.

        If data is withheld, they include empty values that replace those of the profile.
        """
        fields = {
            "portrait": self.lines,
            "portrait_as_of": self.as_of,
            "portrait_withheld": self.withheld,
            "portrait_withheld_name": self.withheld_name,
        }
        return fields | self.make_withheld_fields()

    def make_withheld_fields(self) -> dict[str, Any]:
        """Return empty values for all fields derived from behavior, with the reason.

        Return {} if nothing is withheld.
        """
        if not self.withheld:
            return {}
        why = {"reason": self.withheld, "reason_name": self.withheld_name}
        return {
            "stage_guard": "",
            "differences": [],
            "interests": {"categories": [], "brands": [], "hours": []},
            "discount_share": None,
            "propensities": [],
            "next_category": {"name": "", "probability": None, **why},
            "value": {**dict.fromkeys(VALUE_COLUMNS), "interval_held": None, **why, "algorithm": ""},
            "next_order": {"earliest": None, "likeliest": None, "latest": None, "conditional": False, **why},
            "cluster": None,
        }

    def iterate_groups(self) -> Iterator[tuple[PortraitGroup, list[PortraitLine]]]:
        """Yield each group with its lines."""
        for group in PortraitGroup:
            yield group, [line for line in self.lines if line.group == group]


def build_portrait(*, customer_id: int, as_of: datetime, with_personal: bool) -> CustomerPortrait:
    """Build the portrait from what is known before as_of, in a constant number of queries.

    with_personal: whether the reader may view personal traits and the exact age. Erased customers have no lines; without consent to
    analytics or personalization, lines derived from behavior are withheld.
    """
    stored = read_stored_customer(customer_id=customer_id)
    if stored is None or stored.erased_at is not None:
        return CustomerPortrait(as_of, withheld=WithheldReason.ERASED if stored else "")
    withheld = find_withheld_reason(customer_id)
    events = [] if withheld else read_events(customer_id=customer_id, as_of=as_of)
    identity = make_identity_lines(
        customer_id=customer_id, stored=stored, events=events, as_of=as_of, with_personal=with_personal
    )
    if withheld:
        return CustomerPortrait(as_of, identity.lines, withheld, identity.hidden, identity.more)
    documents, purchases = read_orders(customer_id=customer_id, as_of=as_of)
    actions = read_product_actions(purchases=purchases, events=events)
    interests = measure_category_interests(actions=actions, as_of=as_of)
    lines = [
        *identity.lines,
        *make_preference_lines(actions=actions, documents=documents, events=events, as_of=as_of),
        *make_buying_lines(
            documents=documents,
            others=read_shop_rates(customer_id=customer_id, as_of=as_of),
            interests=interests,
            as_of=as_of,
        ),
        *make_response_lines(customer_id=customer_id, events=events, as_of=as_of),
    ]
    return CustomerPortrait(as_of, lines, "", identity.hidden, identity.more, len(documents.at), len(events))


def find_withheld_reason(customer_id: int) -> str:
    """Return the reason why lines are withheld, by the current consents; "" if they are not."""
    # A withdrawal also covers portraits of past times, so as_of does not matter.
    customer = Customer.objects.only("country").filter(pk=customer_id).first() or Customer(pk=customer_id)
    effective = read_effective_consents(customer=customer, purposes=PROFILING_PURPOSES)
    for purpose, (withdrawn, missing) in REASONS.items():
        if not effective[purpose].is_allowed:
            return withdrawn if effective[purpose].reason == "entry" else missing
    return ""
