"""The audience of a campaign: the steps from the segment to the recipients, with the number of customers at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import BooleanField, Case, Count, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, Value, When

from customers.identity.models import Customer, Identifier
from customers.orders.models import Order
from customers.segments.conditions.compiler import compile_condition
from customers.segments.conditions.consents import compile_effective_consent
from customers.segments.membership import query_members
from customers.segments.models import Segment
from recommendations.campaigns.limits import (
    build_cap_condition,
    build_global_holdout_condition,
    build_suppression_condition,
)
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.quiet_hours import build_already_due_condition, build_quiet_condition
from recommendations.measurement.assignment import build_bucket_expression, count_holdout_buckets
from recommendations.measurement.statistics.power import ALPHA, POWER, compute_minimum_detectable_effect
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.checks.candidates import WECOM_TRAIT
from recommendations.sending.models import PushSubscription, SendingSettings
from recommendations.sending.settings_model import load_sending_settings


@dataclass(frozen=True)
class AudiencePreview:
    """The number of customers after each step, and the effect that a test on them can detect.

    ``postponed`` of the audience get the message later, after their quiet hours; ``already_due`` of it as soon as the campaign is
    launched, because the local time of the run has passed for them. ``rate`` is the share of the customers who can get the
    message that bought in the ``rate_days`` before ``as_of``; ``mde`` is the
    minimum detectable increase of that share, or None with the reason in ``mde_missing``.
    """

    as_of: datetime
    channel: str
    consent: list[str]
    segment: int
    included: int
    reachable: int
    consented: int
    suppressed: int
    capped: int
    global_holdout: int
    held_out: int
    audience: int
    postponed: int
    holdout_share: float
    buyers: int
    rate: float | None
    rate_days: int
    alpha: float
    power: float
    mde: float | None
    mde_missing: str
    already_due: int = 0


def list_required_consents(campaign: Campaign) -> list[str]:
    """Return the required consents: that of the channel, unless the message is transactional, and the campaign's own."""
    channel = CHANNELS.get(campaign.channel)
    purposes = {channel.purpose} if channel and channel.purpose and not campaign.is_transactional else set()
    if campaign.required_consent:
        purposes.add(campaign.required_consent)
    return sorted(purposes)


def build_reachable_condition(campaign: Campaign) -> Q:
    """Return the condition for being reachable on the channel.

    A channel with an address requires that address, an on-site offer a browser or a user ID, everything else a user ID.
    """
    channel = CHANNELS.get(campaign.channel)
    match channel.address if channel is not None else "":
        case "email" | "phone" as name:
            return ~Q(**{name: ""})
        case "push":
            return Q(Exists(PushSubscription.objects.filter(customer_id=OuterRef("pk"))))
        case "wecom":
            return Q(**{f"traits__{WECOM_TRAIT}__gt": ""})
    kinds = [Identifier.Kind.USER_ID]
    if campaign.channel == Campaign.Channel.ON_SITE:
        kinds.append(Identifier.Kind.ANONYMOUS_ID)
    return Q(Exists(Identifier.objects.filter(customer=OuterRef("pk"), kind__in=kinds)))


def build_exclusion_condition(campaign: Campaign, as_of: datetime, excluded: Sequence[Segment] | None = None) -> Q:
    """Return the condition for being in a segment that the campaign excludes; without any, it is true for nobody.

    excluded: the segments to use instead of the stored ones.

    Raises:
        ConditionError: an excluded segment is not valid.
    """
    if excluded is None:
        excluded = list(campaign.excluded_segments.all()) if campaign.pk else []
    keys = sorted(segment.key for segment in excluded)
    if not keys:
        return Q(pk__isnull=True)
    return compile_condition({"field": "segment", "op": "in", "value": keys}, as_of=as_of)


def build_consent_condition(campaign: Campaign, as_of: datetime) -> Q:
    """Return the condition that all required consents are in force.

    Without any, it is true for every customer.
    """
    condition = Q(pk__isnull=False)
    for purpose in list_required_consents(campaign):
        condition &= compile_effective_consent(purpose=purpose, as_of=as_of)
    return condition


def query_steps(campaign: Campaign, as_of: datetime, excluded: Sequence[Segment] | None = None) -> QuerySet[Customer]:
    """Return the segment's customers with a flag for each step that a run applies when it starts.

    Raises:
        ConditionError: the segment is not valid.
    """
    buckets = count_holdout_buckets(Decimal(campaign.holdout_share))
    # Flags instead of filters: one statement then returns the counts of every step, and they are consistent.
    return (
        query_members(segment=campaign.segment, as_of=as_of)
        .annotate(
            is_excluded=ExpressionWrapper(build_exclusion_condition(campaign, as_of, excluded), BooleanField()),
            is_reachable=ExpressionWrapper(build_reachable_condition(campaign), BooleanField()),
            has_consented=ExpressionWrapper(build_consent_condition(campaign, as_of), BooleanField()),
            bucket=build_bucket_expression(salt=campaign.salt),
        )
        .annotate(is_held_out=ExpressionWrapper(Q(bucket__lt=buckets), BooleanField()))
    )


def query_all_steps(
    campaign: Campaign, as_of: datetime, *, settings: SendingSettings, excluded: Sequence[Segment] | None = None
) -> QuerySet[Customer]:
    """Return the segment's customers with the flags of all steps, also those that the sender checks again for each message.

    Raises:
        ConditionError: a segment is not valid.
    """
    return query_steps(campaign, as_of, excluded).annotate(
        is_suppressed=build_suppression_condition(campaign),
        is_capped=build_cap_condition(campaign, settings=settings, as_of=as_of),
        is_global_holdout=build_global_holdout_condition(campaign, settings=settings),
    )


def query_reasons(campaign: Campaign, as_of: datetime) -> QuerySet[Any, Any]:
    """Return the segment's customers with ``reason``, why they do not get the message or "", and ``is_held_out``.

    Raises:
        ConditionError: a segment is not valid.
    """
    settings = load_sending_settings()
    return (
        query_steps(campaign, as_of)
        .annotate(is_global_holdout=build_global_holdout_condition(campaign, settings=settings))
        .annotate(
            reason=Case(
                When(is_excluded=True, then=Value("excluded")),
                When(is_reachable=False, then=Value("not_reachable")),
                When(has_consented=False, then=Value("no_consent")),
                When(is_global_holdout=True, then=Value("global_holdout")),
                default=Value(""),
            )
        )
    )


def preview_audience(
    *, campaign: Campaign, as_of: datetime, excluded: Sequence[Segment] | None = None
) -> AudiencePreview:
    """Count the customers of each step in one query.

    The steps are segment → exclusions → reachable → consent → suppression → frequency cap → global holdout → holdout → audience.
    Suppressions, caps and quiet hours are checked again when a message is sent.

    Args:
        excluded: the excluded segments to use instead of the stored ones.

    Raises:
        ConditionError: a segment is not valid.
    """
    since = as_of - timedelta(days=campaign.attribution_days)
    # Exists, because a join would count a customer once per order.
    sales = Order.objects.sales().before(as_of).filter(placed_at__gte=since, customer=OuterRef("pk"))
    settings = load_sending_settings()
    included = Q(is_excluded=False)
    reachable = included & Q(is_reachable=True)
    consented = reachable & Q(has_consented=True)
    allowed = consented & Q(is_suppressed=False)
    uncapped = allowed & Q(is_capped=False)
    eligible = uncapped & Q(is_global_holdout=False)
    counts = (
        query_all_steps(campaign, as_of, settings=settings, excluded=excluded)
        .annotate(
            bought=Exists(sales),
            is_quiet=build_quiet_condition(campaign, settings=settings, as_of=as_of),
            is_already_due=build_already_due_condition(campaign, as_of=as_of),
        )
        .aggregate(
            segment=Count("pk"),
            included=Count("pk", filter=included),
            reachable=Count("pk", filter=reachable),
            consented=Count("pk", filter=consented),
            allowed=Count("pk", filter=allowed),
            uncapped=Count("pk", filter=uncapped),
            eligible=Count("pk", filter=eligible),
            held_out=Count("pk", filter=eligible & Q(is_held_out=True)),
            postponed=Count("pk", filter=eligible & Q(is_held_out=False, is_quiet=True)),
            already_due=Count("pk", filter=eligible & Q(is_held_out=False, is_already_due=True)),
            buyers=Count("pk", filter=eligible & Q(bought=True)),
        )
    )
    return build_preview(campaign, as_of, **counts)


def build_preview(
    campaign: Campaign,
    as_of: datetime,
    *,
    segment: int,
    included: int,
    reachable: int,
    consented: int,
    allowed: int,
    uncapped: int,
    eligible: int,
    held_out: int,
    buyers: int,
    postponed: int = 0,
    already_due: int = 0,
) -> AudiencePreview:
    """Return the preview of an audience with these counts."""
    audience = eligible - held_out
    rate = buyers / eligible if eligible else None
    mde = None if rate is None else compute_minimum_detectable_effect(rate=rate, treated=audience, held_out=held_out)
    return AudiencePreview(
        as_of=as_of,
        channel=campaign.channel,
        consent=list_required_consents(campaign),
        segment=segment,
        included=included,
        reachable=reachable,
        consented=consented,
        suppressed=consented - allowed,
        capped=allowed - uncapped,
        global_holdout=uncapped - eligible,
        held_out=held_out,
        audience=audience,
        postponed=postponed,
        already_due=already_due,
        holdout_share=float(campaign.holdout_share),
        buyers=buyers,
        rate=rate,
        rate_days=campaign.attribution_days,
        alpha=ALPHA,
        power=POWER,
        mde=mde,
        mde_missing="" if mde is not None else explain_missing_effect(audience, held_out, buyers, eligible),
    )


def explain_missing_effect(audience: int, held_out: int, buyers: int, consented: int) -> str:
    """Return the code of the reason why there is no minimum detectable effect."""
    if not audience:
        return "no_audience"
    if not held_out:
        return "no_holdout"
    if not buyers:
        return "no_buyers"
    return "all_bought" if buyers == consented else "too_small"
