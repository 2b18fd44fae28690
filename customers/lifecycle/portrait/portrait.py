"""The portrait of one customer, computed when it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy

from customers.identity.consent.ledger import latest_consents
from customers.identity.models import Consent, Customer
from customers.lifecycle.models import VALUE_COLUMNS
from customers.lifecycle.portrait.buying_habits import buy_lines
from customers.lifecycle.portrait.line import Group, Line
from customers.lifecycle.portrait.preferences import category_interests, like_lines, read_acts
from customers.lifecycle.portrait.queries import read_events, read_orders, read_others
from customers.lifecycle.portrait.responses import respond_lines
from customers.lifecycle.portrait.traits import read_told, who_lines


class LeftOut(TextChoices):
    """Why lines that follow from behaviour are missing."""

    ERASED = "erased", gettext_lazy("the customer was erased")
    ANALYTICS = "analytics_withdrawn", gettext_lazy("the customer has withdrawn the consent to analytics")
    PERSONALISATION = (
        "personalisation_withdrawn",
        gettext_lazy("the customer has withdrawn the consent to personalisation"),
    )


@dataclass(frozen=True)
class PortraitLines:
    """left_out: "" where nothing is. hidden_lines: personal ones that the reader may not see; more_traits: not listed any more.
    orders and events: how many documents and events were read."""

    as_of: datetime
    lines: list[Line] = field(default_factory=list)
    left_out: str = ""
    hidden_lines: int = 0
    more_traits: int = 0
    orders: int = 0
    events: int = 0

    @property
    def left_out_name(self) -> str:
        return str(LeftOut(self.left_out).label) if self.left_out else ""

    def as_profile(self) -> dict[str, Any]:
        """What a profile says of it; where behaviour is left out, so are favourites, discounts and what is foretold of the customer."""
        told = {
            "portrait": self.lines,
            "portrait_as_of": self.as_of,
            "portrait_left_out": self.left_out,
            "portrait_left_out_name": self.left_out_name,
        }
        return told | self.withheld()

    def withheld(self) -> dict[str, Any]:
        """In place of what a profile says: nothing that is foretold or follows from behaviour, and why; empty where all is told."""
        if not self.left_out:
            return {}
        why = {"reason": self.left_out, "reason_name": self.left_out_name}
        return {
            "interests": {"categories": [], "brands": [], "hours": []},
            "discount_share": None,
            "propensities": [],
            "next_category": {"name": "", "probability": None, **why},
            "value": {**dict.fromkeys(VALUE_COLUMNS), **why, "algorithm": ""},
            "next_order": {"earliest": None, "likeliest": None, "latest": None, **why},
            "cluster": None,
        }

    def groups(self) -> Iterator[tuple[Group, list[Line]]]:
        for group in Group:
            yield group, [line for line in self.lines if line.group == group]


def portrait_lines(*, customer_id: int, as_of: datetime, with_personal: bool) -> PortraitLines:
    """What is known before as_of of one customer, in a constant number of queries.

    with_personal: whether the reader may see personal traits and an exact age. Whoever was erased has no lines; whoever withdrew the
    consent to analytics or personalisation has those that were told, and none that follow from behaviour.
    """
    told = read_told(customer_id=customer_id)
    if told is None or told.erased_at is not None:
        return PortraitLines(as_of, left_out=LeftOut.ERASED if told else "")
    left_out = _withdrawn(customer_id)
    events = [] if left_out else read_events(customer_id=customer_id, as_of=as_of)
    who = who_lines(customer_id=customer_id, told=told, events=events, as_of=as_of, with_personal=with_personal)
    if left_out:
        return PortraitLines(as_of, who.lines, left_out, who.hidden, who.left)
    documents, bought = read_orders(customer_id=customer_id, as_of=as_of)
    acts = read_acts(bought=bought, events=events)
    interests = category_interests(acts=acts, as_of=as_of)
    lines = [
        *who.lines,
        *like_lines(acts=acts, documents=documents, events=events, as_of=as_of),
        *buy_lines(
            documents=documents,
            others=read_others(customer_id=customer_id, as_of=as_of),
            interests=interests,
            as_of=as_of,
        ),
        *respond_lines(customer_id=customer_id, events=events, as_of=as_of),
    ]
    return PortraitLines(as_of, lines, "", who.hidden, who.left, len(documents.at), len(events))


def _withdrawn(customer_id: int) -> str:
    """What stands in the ledger now, whatever as_of is."""
    latest = latest_consents(customer=Customer(pk=customer_id))
    withdrawn = {one.purpose for one in latest if one.status == Consent.Status.WITHDRAWN}
    if Consent.Purpose.ANALYTICS in withdrawn:
        return LeftOut.ANALYTICS
    return LeftOut.PERSONALISATION if Consent.Purpose.PERSONALISATION in withdrawn else ""
