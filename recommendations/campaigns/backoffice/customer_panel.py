"""The campaigns panel of the customer page: the outcome of each campaign for the customer."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import BooleanField, ExpressionWrapper, TextChoices
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer
from customers.segments.membership import find_segments
from recommendations.campaigns.audience import build_consent_condition, build_reachable_condition
from recommendations.campaigns.models import Campaign
from recommendations.measurement.assignment import is_held_out

MAX_CAMPAIGNS = 20


class CampaignOutcome(TextChoices):
    REACHED = "reached", _("in the audience")
    HELD_OUT = "held_out", _("in the holdout group")
    UNREACHABLE = "unreachable", _("not reachable on this channel")
    NO_CONSENT = "no_consent", _("no consent")


@dataclass(frozen=True)
class CustomerCampaign:
    campaign: Campaign
    outcome: CampaignOutcome


def list_campaign_outcomes(customer: Customer, as_of: datetime) -> list[CustomerCampaign]:
    """Return the newest campaigns of the customer's segments with their outcomes, in three queries."""
    segments = find_segments(customer=customer, as_of=as_of)
    found = Campaign.objects.with_shown_status().filter(segment__in=segments)
    campaigns = list(found.select_related("segment")[:MAX_CAMPAIGNS])
    # Conditions differ per campaign, so each becomes two columns of one query instead of a query of its own.
    flags = {
        f"{name}_{number}": ExpressionWrapper(condition, BooleanField())
        for number, campaign in enumerate(campaigns)
        for name, condition in (
            ("reachable", build_reachable_condition(campaign)),
            ("consented", build_consent_condition(campaign, as_of)),
        )
    }
    row = Customer.objects.filter(pk=customer.pk).annotate(**flags).values(*flags).first() if flags else None
    if row is None:  # no campaign
        return []
    return [
        CustomerCampaign(
            campaign, determine_outcome(campaign, customer, row[f"reachable_{number}"], row[f"consented_{number}"])
        )
        for number, campaign in enumerate(campaigns)
    ]


def determine_outcome(
    campaign: Campaign, customer: Customer, is_reachable: bool, has_consented: bool
) -> CampaignOutcome:
    """Return the first step that excludes the customer, or REACHED."""
    if not is_reachable:
        return CampaignOutcome.UNREACHABLE
    if not has_consented:
        return CampaignOutcome.NO_CONSENT
    share = Decimal(campaign.holdout_share)
    held_out = is_held_out(salt=campaign.salt, customer_id=customer.pk, share=share)
    return CampaignOutcome.HELD_OUT if held_out else CampaignOutcome.REACHED
