"""The audience of a campaign: the steps from the segment to the recipients, with the number of customers at each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import batched
from typing import Any, TextIO

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import format_csv
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.masking import mask_id
from customers.orders.models import Order
from customers.segments.conditions.comparisons import compile_latest_consent
from customers.segments.conditions.compiler import compile_condition
from customers.segments.membership import annotate_user_id, query_members
from customers.segments.models import Segment
from recommendations.campaigns.effect_size import ALPHA, POWER, compute_minimum_detectable_effect
from recommendations.campaigns.models import AudienceExport, Campaign
from recommendations.sending.holdout import build_bucket_expression, count_holdout_buckets

CHUNK_ROWS = 5000
FLAGS = ("is_excluded", "is_reachable", "has_consented", "is_held_out")
COLUMNS = ("user_id", "stage", "rfm_group", "r", "f", "m", "orders", "revenue", "last_order_at")
LOOKUPS = ("user_id", *(f"profile__{column}" for column in COLUMNS[1:]))


@dataclass(frozen=True)
class AudiencePreview:
    """The number of customers after each step, and the effect that a test on them can detect.

    ``rate`` is the share of the reachable and consented customers that bought in the ``rate_days`` before ``as_of``; ``mde`` is the
    minimum detectable increase of that share, or None with the reason in ``mde_missing``.
    """

    as_of: datetime
    channel: str
    consent: list[str]
    segment: int
    included: int
    reachable: int
    consented: int
    held_out: int
    audience: int
    holdout_share: float
    buyers: int
    rate: float | None
    rate_days: int
    alpha: float
    power: float
    mde: float | None
    mde_missing: str


def list_required_consents(campaign: Campaign) -> list[str]:
    """Return the required consents: e-mail for the e-mail channel, and the campaign's own."""
    purposes = {Consent.Purpose.EMAIL.value} if campaign.channel == Campaign.Channel.EMAIL else set()
    if campaign.required_consent:
        purposes.add(campaign.required_consent)
    return sorted(purposes)


def build_reachable_condition(campaign: Campaign) -> Q:
    """Return the condition for being reachable on the channel.

    E-mail requires an address, an on-site offer a browser or a user ID, an export or webhook a user ID.
    """
    if campaign.channel == Campaign.Channel.EMAIL:
        return ~Q(email="")
    kinds = [Identifier.Kind.USER_ID]
    if campaign.channel == Campaign.Channel.ON_SITE:
        kinds.append(Identifier.Kind.ANONYMOUS_ID)
    return Q(Exists(Identifier.objects.filter(customer=OuterRef("pk"), kind__in=kinds)))


def build_exclusion_condition(campaign: Campaign, as_of: datetime) -> Q:
    """Return the condition for being in a segment that the campaign excludes; without any, it is true for nobody.

    Raises:
        ConditionError: an excluded segment is not valid.
    """
    keys = sorted(segment.key for segment in campaign.excluded_segments.all()) if campaign.pk else []
    if not keys:
        return Q(pk__isnull=True)
    return compile_condition({"field": "segment", "op": "in", "value": keys}, as_of=as_of)


def build_consent_condition(campaign: Campaign, as_of: datetime) -> Q:
    """Return the condition that all required consents are granted.

    Without any, it is true for every customer.
    """
    condition = Q(pk__isnull=False)
    for purpose in list_required_consents(campaign):
        condition &= compile_latest_consent(purpose=purpose, status=Consent.Status.GRANTED, as_of=as_of)
    return condition


def query_steps(campaign: Campaign, as_of: datetime) -> QuerySet[Customer]:
    """Return the segment's customers with the flags of FLAGS.

    Raises:
        ConditionError: the segment is not valid.
    """
    buckets = count_holdout_buckets(Decimal(campaign.holdout_share))
    # Flags instead of filters: one statement then returns the counts of every step, and they are consistent.
    return (
        query_members(segment=campaign.segment, as_of=as_of)
        .annotate(
            is_excluded=ExpressionWrapper(build_exclusion_condition(campaign, as_of), BooleanField()),
            is_reachable=ExpressionWrapper(build_reachable_condition(campaign), BooleanField()),
            has_consented=ExpressionWrapper(build_consent_condition(campaign, as_of), BooleanField()),
            bucket=build_bucket_expression(salt=campaign.salt),
        )
        .annotate(is_held_out=ExpressionWrapper(Q(bucket__lt=buckets), BooleanField()))
    )


def preview_audience(*, campaign: Campaign, as_of: datetime) -> AudiencePreview:
    """Count the customers of each step in one query.

    The steps are segment → exclusions → reachable → consent → holdout → audience.

    Raises:
        ConditionError: the segment is not valid.
    """
    since = as_of - timedelta(days=campaign.attribution_days)
    # Exists, because a join would count a customer once per order.
    sales = Order.objects.sales().before(as_of).filter(placed_at__gte=since, customer=OuterRef("pk"))
    included = Q(is_excluded=False)
    reachable = included & Q(is_reachable=True)
    eligible = reachable & Q(has_consented=True)
    counts = (
        query_steps(campaign, as_of)
        .annotate(bought=Exists(sales))
        .aggregate(
            segment=Count("pk"),
            included=Count("pk", filter=included),
            reachable=Count("pk", filter=reachable),
            consented=Count("pk", filter=eligible),
            held_out=Count("pk", filter=eligible & Q(is_held_out=True)),
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
    held_out: int,
    buyers: int,
) -> AudiencePreview:
    """Return the preview of an audience with these counts."""
    audience = consented - held_out
    rate = buyers / consented if consented else None
    mde = None if rate is None else compute_minimum_detectable_effect(rate=rate, treated=audience, held_out=held_out)
    return AudiencePreview(
        as_of=as_of,
        channel=campaign.channel,
        consent=list_required_consents(campaign),
        segment=segment,
        included=included,
        reachable=reachable,
        consented=consented,
        held_out=held_out,
        audience=audience,
        holdout_share=float(campaign.holdout_share),
        buyers=buyers,
        rate=rate,
        rate_days=campaign.attribution_days,
        alpha=ALPHA,
        power=POWER,
        mde=mde,
        mde_missing="" if mde is not None else explain_missing_effect(audience, held_out, buyers, consented),
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


def stream_audience(*, campaign: Campaign, as_of: datetime, by: str, with_personal: bool) -> Iterator[str]:
    """Yield the audience as blocks of CSV lines, and record the export.

    The record is created before the first line, so that an interrupted export is visible too, with the rows it wrote. The
    rows come from one statement, so they and the counts are consistent. Without ``with_personal``, user IDs that are email addresses
    or phone numbers are masked.

    Raises:
        ConditionError: the segment is not valid; nothing is recorded.
    """
    return stream_rows(*start_export(campaign, as_of, by), with_personal=with_personal)


def start_export(campaign: Campaign, as_of: datetime, by: str) -> tuple[QuerySet[Customer, Any], AudienceExport]:
    """Return the rows to export and the record of the export, which has no rows yet."""
    rows = annotate_user_id(query_steps(campaign, as_of)).order_by("pk").values_list(*FLAGS, *LOOKUPS)
    export = AudienceExport.objects.create(
        campaign=campaign,
        exported_at=as_of,
        exported_by=by[:150],
        segment_size=0,
        held_out=0,
        rows=0,
        segment_condition=campaign.segment.condition if campaign.segment.kind == Segment.Kind.DYNAMIC else None,
    )
    record_export(model=AudienceExport, pks=[export.pk], details={"campaign": campaign.key})
    return rows, export


def stream_rows(rows: QuerySet[Customer, Any], export: AudienceExport, *, with_personal: bool) -> Iterator[str]:
    """Yield the audience as blocks of CSV lines and count the rows in the record."""
    try:
        yield format_csv([COLUMNS])
        for block in batched(rows.iterator(chunk_size=CHUNK_ROWS), CHUNK_ROWS):
            audience = []
            for is_excluded, is_reachable, has_consented, is_held_out, user_id, *values in block:
                export.segment_size += 1
                is_eligible = not is_excluded and is_reachable and has_consented
                if is_eligible and is_held_out:
                    export.held_out += 1
                elif is_eligible:
                    audience.append((mask_id(user_id or "", with_personal=with_personal), *values))
            export.rows += len(audience)
            yield format_csv(audience)
    finally:  # also runs if the client closes the connection
        export.save(update_fields=["segment_size", "held_out", "rows"])


def export_audience(*, campaign: Campaign, as_of: datetime, by: str, stream: TextIO) -> AudienceExport:
    """Write the audience as CSV to a stream, with all user IDs, and return its record.

    Raises:
        ConditionError: the segment is not valid; nothing is written or recorded.
    """
    rows, export = start_export(campaign, as_of, by)
    stream.writelines(stream_rows(rows, export, with_personal=True))
    return export
