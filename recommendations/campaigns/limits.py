"""Conditions on customers who cannot get a message now: suppressed addresses, frequency caps, and the global holdout group.

The audience preview applies them. The sender checks suppressions and caps again, for each message at the moment of sending.
"""

from datetime import datetime
from decimal import Decimal

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, Func, OuterRef, Q, Value
from django.db.models.lookups import LessThan

from customers.identity.models import Identifier
from recommendations.campaigns.models import Campaign
from recommendations.measurement.assignment import build_bucket_expression, count_holdout_buckets
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.checks.frequency import read_caps
from recommendations.sending.models import Delivery, SendingSettings, Suppression

HASH_KINDS = {
    "email": (Identifier.Kind.EMAIL_HASH, Suppression.Kind.EMAIL),
    "phone": (Identifier.Kind.PHONE_HASH, Suppression.Kind.PHONE),
}


def wrap(condition: Q) -> ExpressionWrapper:
    return ExpressionWrapper(condition, BooleanField())


def build_suppression_condition(campaign: Campaign) -> ExpressionWrapper:
    """Return the condition that an address of the customer is on the suppression list."""
    channel = CHANNELS.get(campaign.channel)
    kinds = HASH_KINDS.get(channel.address if channel else "")
    if kinds is None:
        return wrap(Q(pk__isnull=True))
    identifier_kind, suppression_kind = kinds
    suppressed = Suppression.objects.filter(kind=suppression_kind).values("value_hash")
    hashes = Identifier.objects.filter(customer=OuterRef("pk"), kind=identifier_kind, value__in=suppressed)
    return wrap(Q(Exists(hashes)))


def build_cap_condition(campaign: Campaign, *, settings: SendingSettings, as_of: datetime) -> ExpressionWrapper:
    """Return the condition that the customer has reached a frequency cap, so that one more message would exceed it."""
    condition = Q(pk__isnull=True)
    if campaign.is_transactional:
        return wrap(condition)
    for cap in read_caps(settings.caps):
        if cap.channel not in ("", campaign.channel):
            continue
        recent = Delivery.objects.filter(
            claimed_at__gt=as_of - cap.window,
            is_transactional=False,
            **({"channel": cap.channel} if cap.channel else {}),
        )
        counted = recent.values("customer_id").annotate(messages=Count("pk")).filter(messages__gte=cap.messages)
        condition |= Q(pk__in=counted.values("customer_id"))
    return wrap(condition)


def build_global_holdout_condition(
    campaign: Campaign, *, settings: SendingSettings
) -> Func | ExpressionWrapper | LessThan:
    """Return the condition that the customer gets no marketing messages at all."""
    buckets = 0 if campaign.is_transactional else count_holdout_buckets(Decimal(settings.global_holdout_share))
    if not buckets:
        return wrap(Q(pk__isnull=True))
    return LessThan(build_bucket_expression(salt=settings.global_holdout_salt), Value(buckets))
