"""A campaign's audience: the way from the segment to those who get the message, with the number at every step."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import batched
from typing import Any, TextIO

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from config.foundation.csv_cells import csv_lines
from customers.identity.models import Consent, Customer, Identifier
from customers.orders.models import Order
from customers.segments.conditions.comparisons import latest_consent
from customers.segments.membership import members, with_user_id
from recommendations.campaigns.assignment import bucket, held_out_buckets
from recommendations.campaigns.effect_size import ALPHA, POWER, minimal_detectable_effect
from recommendations.campaigns.models import AudienceExport, Campaign

RATE_DAYS = 30
CHUNK = 5000
STEPS = ("is_reachable", "has_consented", "is_held_out")
COLUMNS = ("user_id", "stage", "rfm_group", "r", "f", "m", "orders", "revenue", "last_order_at")
LOOKUPS = ("user_id", *(f"profile__{column}" for column in COLUMNS[1:]))


@dataclass(frozen=True)
class AudiencePreview:
    """How many customers are left after each step, and what a test on them can show.

    ``rate`` is the share of the segment that bought in the ``rate_days`` before ``as_of``; ``mde`` is the smallest
    difference in that share that can be shown, or None with ``mde_missing`` saying why.
    """

    as_of: datetime
    channel: str
    consent: list[str]
    segment: int
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


def required_consents(campaign: Campaign) -> list[str]:
    """The purposes that must be granted: e-mail always for the e-mail channel, and what the campaign names."""
    purposes = {Consent.Purpose.EMAIL.value} if campaign.channel == Campaign.Channel.EMAIL else set()
    if campaign.required_consent:
        purposes.add(campaign.required_consent)
    return sorted(purposes)


def reachable(campaign: Campaign) -> Q:
    """E-mail needs an address, an on-site offer any browser or user id; an export or a webhook needs a user id."""
    if campaign.channel == Campaign.Channel.EMAIL:
        return ~Q(email="")
    kinds = [Identifier.Kind.USER_ID]
    if campaign.channel == Campaign.Channel.ON_SITE:
        kinds.append(Identifier.Kind.ANONYMOUS_ID)
    return Q(Exists(Identifier.objects.filter(customer=OuterRef("pk"), kind__in=kinds)))


def consented(campaign: Campaign, as_of: datetime) -> Q:
    condition = Q(pk__isnull=False)
    for purpose in required_consents(campaign):
        condition &= latest_consent(purpose=purpose, status=Consent.Status.GRANTED, as_of=as_of)
    return condition


def with_steps(campaign: Campaign, as_of: datetime) -> QuerySet[Customer]:
    """The segment's customers with ``is_reachable``, ``has_consented`` and ``is_held_out``.

    Raises:
        ConditionError: the segment cannot work.
    """
    buckets = held_out_buckets(Decimal(campaign.holdout_share))
    return (
        members(segment=campaign.segment, as_of=as_of)
        .annotate(
            is_reachable=ExpressionWrapper(reachable(campaign), BooleanField()),
            has_consented=ExpressionWrapper(consented(campaign, as_of), BooleanField()),
            bucket=bucket(salt=campaign.salt),
        )
        .annotate(is_held_out=ExpressionWrapper(Q(bucket__lt=buckets), BooleanField()))
    )


def preview_audience(*, campaign: Campaign, as_of: datetime) -> AudiencePreview:
    """The waterfall of one moment: segment → reachable → consent → holdout → audience, in one query.

    Raises:
        ConditionError: the segment cannot work.
    """
    since = as_of - timedelta(days=RATE_DAYS)
    sales = Order.objects.sales().before(as_of).filter(placed_at__gte=since, customer=OuterRef("pk"))
    can_get, may_get = Q(is_reachable=True), Q(is_reachable=True, has_consented=True)
    counts = (
        with_steps(campaign, as_of)
        .annotate(bought=Exists(sales))
        .aggregate(
            segment=Count("pk"),
            reachable=Count("pk", filter=can_get),
            consented=Count("pk", filter=may_get),
            held_out=Count("pk", filter=may_get & Q(is_held_out=True)),
            buyers=Count("pk", filter=Q(bought=True)),
        )
    )
    return preview_of(campaign, as_of, **counts)


def preview_of(
    campaign: Campaign, as_of: datetime, *, segment: int, reachable: int, consented: int, held_out: int, buyers: int
) -> AudiencePreview:
    audience = consented - held_out
    rate = buyers / segment if segment else None
    mde = None if rate is None else minimal_detectable_effect(rate=rate, treated=audience, held_out=held_out)
    return AudiencePreview(
        as_of=as_of,
        channel=campaign.channel,
        consent=required_consents(campaign),
        segment=segment,
        reachable=reachable,
        consented=consented,
        held_out=held_out,
        audience=audience,
        holdout_share=float(campaign.holdout_share),
        buyers=buyers,
        rate=rate,
        rate_days=RATE_DAYS,
        alpha=ALPHA,
        power=POWER,
        mde=mde,
        mde_missing="" if mde is not None else why_no_effect(audience, held_out, buyers),
    )


def why_no_effect(audience: int, held_out: int, buyers: int) -> str:
    if not audience:
        return "no_audience"
    if not held_out:
        return "no_holdout"
    return "nobody_bought" if not buyers else "everybody_bought"


def stream_audience(*, campaign: Campaign, as_of: datetime, by: str) -> Iterator[str]:
    """The audience as CSV, a block of lines at a time, and an AudienceExport that tells what was written.

    The record is made before the first line, so an export that was cut off is seen too, with the rows it had. The rows
    come from one statement: they and the counts are of the same moment.

    Raises:
        ConditionError: the segment cannot work; nothing is recorded.
    """
    return write_rows(*begin_export(campaign, as_of, by))


def begin_export(campaign: Campaign, as_of: datetime, by: str) -> tuple[QuerySet[Customer, Any], AudienceExport]:
    rows = with_user_id(with_steps(campaign, as_of)).order_by("pk").values_list(*STEPS, *LOOKUPS)
    export = AudienceExport.objects.create(
        campaign=campaign, exported_at=as_of, exported_by=by[:150], segment_size=0, held_out=0, rows=0
    )
    return rows, export


def write_rows(rows: QuerySet[Customer, Any], export: AudienceExport) -> Iterator[str]:
    try:
        yield csv_lines([COLUMNS])
        for block in batched(rows.iterator(chunk_size=CHUNK), CHUNK):
            audience = []
            for is_reachable, has_consented, is_held_out, *values in block:
                export.segment_size += 1
                if is_reachable and has_consented and is_held_out:
                    export.held_out += 1
                elif is_reachable and has_consented:
                    audience.append(values)
            export.rows += len(audience)
            yield csv_lines(audience)
    finally:
        export.save(update_fields=["segment_size", "held_out", "rows"])


def export_audience(*, campaign: Campaign, as_of: datetime, by: str, stream: TextIO) -> AudienceExport:
    """Writes the audience as CSV to a stream and returns its record.

    Raises:
        ConditionError: the segment cannot work; nothing is written or recorded.
    """
    rows, export = begin_export(campaign, as_of, by)
    stream.writelines(write_rows(rows, export))
    return export
