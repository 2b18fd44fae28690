"""What a change of the shop's time zone means for campaigns that have not run yet."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max, OuterRef, Subquery

from recommendations.campaigns.launch.runs import ACTIVE_STATUSES
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.schedule import build_schedule, find_next_run

Status = Campaign.Status


@dataclass(frozen=True)
class MovedStart:
    """The start of a campaign that is sent once, in the earlier and in the new time zone of the shop."""

    name: str
    before: datetime
    after: datetime


def list_moved_starts(*, before: ZoneInfo, after: ZoneInfo, now: datetime) -> list[MovedStart]:
    """Return the campaigns still to be sent once whose start has another time of day in the new time zone."""
    campaigns = Campaign.objects.filter(
        kind=Campaign.Kind.ONCE,
        starts_at__gt=now,
        status__in=(Status.DRAFT, Status.WAITING, Status.SCHEDULED, Status.PAUSED),
    ).order_by("starts_at", "pk")
    starts = [
        MovedStart(name, start.astimezone(before), start.astimezone(after))
        for name, start in campaigns.values_list("name", "starts_at")
        if start is not None
    ]
    return [start for start in starts if start.before.replace(tzinfo=None) != start.after.replace(tzinfo=None)]


def plan_runs_again(*, now: datetime) -> None:
    """Plan the runs to come again, with the current time zone of the shop.

    Otherwise the next run of a recurring campaign, which is planned already, would still be at the old time of day.
    """
    last_run = (
        CampaignRun.objects.filter(campaign=OuterRef("pk"))
        .order_by()
        .values("campaign")
        .annotate(last=Max("scheduled_for"))
        .values("last")
    )
    with transaction.atomic():
        campaigns = list(
            Campaign.objects.select_for_update(of=("self",))
            .filter(status__in=(*ACTIVE_STATUSES, Status.PAUSED), next_run_at__gt=now)
            .annotate(last_run_at=Subquery(last_run))
        )
        for campaign in campaigns:
            after = max(now, campaign.last_run_at or now)
            planned = find_next_run(build_schedule(campaign), after=after, launched_at=now)
            if planned is None and campaign.kind == Campaign.Kind.ONCE:
                continue
            campaign.next_run_at = planned.prepared_at if planned else None
            campaign.next_scheduled_for = planned.scheduled_for if planned else None
        Campaign.objects.bulk_update(campaigns, ["next_run_at", "next_scheduled_for"])
