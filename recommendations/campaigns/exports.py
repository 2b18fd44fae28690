"""CSV exports of a campaign's audience; each stores who was exported and who was held out."""

from collections.abc import Iterator
from datetime import datetime
from itertools import batched
from typing import Any, TextIO

from django.db import transaction
from django.db.models import BigIntegerField, BooleanField, ExpressionWrapper, Func, Q, QuerySet

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import format_csv
from customers.identity.models import Customer, IdentityMerge
from customers.identity.personal_data.masking import mask_id
from customers.segments.membership import annotate_user_id
from customers.segments.models import Segment
from recommendations.campaigns.audience import query_all_steps
from recommendations.campaigns.models import AudienceExport, Campaign
from recommendations.measurement.assignment_records import record_assignments
from recommendations.measurement.models import Assignment
from recommendations.sending.settings_model import load_sending_settings

CHUNK_ROWS = 5000
# the steps of the audience preview: another program sends the messages, so nothing is checked later
REQUIRED_FLAGS = ("is_reachable", "has_consented")
FORBIDDEN_FLAGS = ("is_excluded", "is_suppressed", "is_capped", "is_global_holdout")
COLUMNS = ("user_id", "stage", "rfm_group", "r", "f", "m", "orders", "revenue", "last_order_at")
LOOKUPS = ("pk", "user_id", *(f"profile__{column}" for column in COLUMNS[1:]))


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
    with transaction.atomic():
        # locked, so that nobody changes the audience or the holdout group while they are read
        campaign = Campaign.objects.select_for_update(of=("self",)).select_related("segment").get(pk=campaign.pk)
        return create_export(campaign, as_of, by)


def create_export(campaign: Campaign, as_of: datetime, by: str) -> tuple[QuerySet[Customer, Any], AudienceExport]:
    steps = query_all_steps(campaign, as_of, settings=load_sending_settings())
    is_eligible = Q(**dict.fromkeys(REQUIRED_FLAGS, True), **dict.fromkeys(FORBIDDEN_FLAGS, False))
    steps = steps.annotate(is_eligible=ExpressionWrapper(is_eligible, BooleanField()))
    rows = annotate_user_id(steps).order_by("pk").values_list("is_eligible", "is_held_out", *LOOKUPS)
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
    share = float(export.campaign.holdout_share)
    try:
        yield format_csv([COLUMNS])
        for block in batched(rows.iterator(chunk_size=CHUNK_ROWS), CHUNK_ROWS):
            audience, assigned = [], []
            for is_eligible, is_held_out, pk, user_id, *values in block:
                export.segment_size += 1
                if is_eligible:
                    assigned.append((export.campaign_id, pk, is_held_out, share))
                if is_eligible and is_held_out:
                    export.held_out += 1
                    export.held_out_ids.append(pk)
                elif is_eligible:
                    audience.append((mask_id(user_id or "", with_personal=with_personal), *values))
            export.rows += len(audience)
            record_assignments(kind=Assignment.Kind.CAMPAIGN, assignments=assigned, at=export.exported_at)
            yield format_csv(audience)
    finally:  # also runs if the client closes the connection
        export.save(update_fields=["segment_size", "held_out", "held_out_ids", "rows"])


def stream_holdout_group(*, export: AudienceExport, with_personal: bool) -> Iterator[str]:
    """Yield the customers of an export's holdout group as blocks of CSV lines. The download is recorded.

    Erased customers are missing; a customer who has since been merged into another is replaced by the other.
    """
    record_export(model=AudienceExport, pks=[export.pk], details={"campaign": export.campaign.key, "group": "holdout"})
    rows = annotate_user_id(query_holdout_group(export)).order_by("pk").values_list("user_id", *LOOKUPS[2:])
    yield format_csv([COLUMNS])
    for block in batched(rows.iterator(chunk_size=CHUNK_ROWS), CHUNK_ROWS):
        yield format_csv((mask_id(user_id or "", with_personal=with_personal), *values) for user_id, *values in block)


def query_holdout_group(export: AudienceExport) -> QuerySet[Customer]:
    """Return the customers of an export's holdout group as they are known now.

    The numbers in the record stay those of the export, because a merge can be undone.
    """
    numbers = Func("held_out_ids", function="unnest", output_field=BigIntegerField())
    held_out = AudienceExport.objects.filter(pk=export.pk).values_list(numbers)
    merges = IdentityMerge.objects.filter(merged_id__in=held_out, reverted_at=None)
    is_held_out = Q(pk__in=held_out) | Q(pk__in=merges.values("kept_id"))
    return Customer.objects.filter(is_held_out, erased_at__isnull=True)


def export_audience(*, campaign: Campaign, as_of: datetime, by: str, stream: TextIO) -> AudienceExport:
    """Write the audience as CSV to a stream, with all user IDs, and return its record.

    Raises:
        ConditionError: the segment is not valid; nothing is written or recorded.
    """
    rows, export = start_export(campaign, as_of, by)
    stream.writelines(stream_rows(rows, export, with_personal=True))
    return export
