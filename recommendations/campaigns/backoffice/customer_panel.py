"""What each campaign does with one customer, on the customer's page: it reaches them, holds them out, or says why it cannot write."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import BooleanField, ExpressionWrapper, TextChoices
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer
from customers.segments.membership import segments_of
from recommendations.campaigns.assignment import is_held_out
from recommendations.campaigns.audience import consented, reachable
from recommendations.campaigns.models import Campaign

MOST = 20


class Outcome(TextChoices):
    REACHED = "reached", _("gets it")
    HELD_OUT = "held_out", _("held out, so that the effect can be known")
    UNREACHABLE = "unreachable", _("no address on this channel")
    REFUSED = "refused", _("has not consented")


@dataclass(frozen=True)
class Line:
    campaign: Campaign
    outcome: Outcome


def told(customer: Customer, as_of: datetime) -> list[Line]:
    """The newest campaigns whose segment the customer is in: a query for the segments, one for the campaigns, one for all answers."""
    segments = segments_of(customer=customer, as_of=as_of)
    campaigns = list(Campaign.objects.filter(segment__in=segments).select_related("segment")[:MOST])
    asked = {
        f"{name}_{number}": ExpressionWrapper(condition, BooleanField())
        for number, campaign in enumerate(campaigns)
        for name, condition in (("reachable", reachable(campaign)), ("consented", consented(campaign, as_of)))
    }
    row = Customer.objects.filter(pk=customer.pk).annotate(**asked).values(*asked).first() if asked else None
    if row is None:
        return []
    return [
        Line(campaign, outcome(campaign, customer, row[f"reachable_{number}"], row[f"consented_{number}"]))
        for number, campaign in enumerate(campaigns)
    ]


def outcome(campaign: Campaign, customer: Customer, can_get: bool, may_get: bool) -> Outcome:
    """The first step of the way from the segment to the audience at which the customer stays behind."""
    if not can_get:
        return Outcome.UNREACHABLE
    if not may_get:
        return Outcome.REFUSED
    share = Decimal(campaign.holdout_share)
    held_out = is_held_out(salt=campaign.salt, customer_id=customer.pk, share=share)
    return Outcome.HELD_OUT if held_out else Outcome.REACHED
