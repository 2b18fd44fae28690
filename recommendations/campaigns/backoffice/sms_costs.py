"""The sentences about the length and cost of a campaign by SMS."""

from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_count, format_money
from config.foundation.shop.profile import get_shop
from customers.identity.models import Customer
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_members
from recommendations.campaigns.audience import AudiencePreview
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.sms_estimate import SmsEstimate, estimate_sms
from recommendations.messaging.channels import Channel

SAMPLE = 20


def query_sample(campaign: Campaign, *, now: datetime) -> QuerySet[Customer]:
    """Return customers of the segment. Raises ConditionError."""
    return query_members(segment=campaign.segment, as_of=now).filter(profile__isnull=False).order_by("pk")


def describe_sms_cost(campaign: Campaign, preview: AudiencePreview | None, *, now: datetime) -> list[str]:
    """Return what pages say about the parts of an SMS and its cost; nothing for other channels."""
    if campaign.channel != Channel.SMS or campaign.segment_id is None:
        return []
    try:
        customers = list(query_sample(campaign, now=now).values_list("pk", flat=True)[:SAMPLE])
    except ConditionError:
        return []
    estimate = estimate_sms(campaign, customer_ids=customers, now=now)
    if estimate is None:
        return []
    return [describe_length(estimate), *([describe_cost(estimate, preview.audience)] if preview is not None else [])]


def describe_length(estimate: SmsEstimate) -> str:
    return ngettext(
        (
            "The longest SMS in a sample of the segment (customers: %(customers)s) has %(characters)s characters, "
            "including the signature and the unsubscribe notice. It is charged as %(parts)s part."
        ),
        (
            "The longest SMS in a sample of the segment (customers: %(customers)s) has %(characters)s characters, "
            "including the signature and the unsubscribe notice. It is charged as %(parts)s parts."
        ),
        estimate.longest.parts,
    ) % {
        "customers": format_count(estimate.customers),
        "characters": format_count(estimate.longest.characters),
        "parts": format_count(estimate.longest.parts),
    }


def describe_cost(estimate: SmsEstimate, messages: int) -> str:
    values = {"messages": format_count(messages), "parts": format_count(estimate.count_parts(messages))}
    cost = estimate.compute_cost(messages)
    if cost is None:
        text = _(
            "%(messages)s messages are about %(parts)s parts. To see the cost, enter the price per part in the account settings."
        )
        return text % values
    price = f"{estimate.part_price.normalize():f}" if estimate.part_price is not None else ""
    text = _("%(messages)s messages are about %(parts)s parts and cost about %(cost)s, at %(price)s a part.")
    return text % {**values, "cost": format_money(cost, get_shop().currency), "price": price}
