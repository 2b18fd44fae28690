"""Campaigns as actions: past campaigns with a holdout group, which can be sent again."""

from datetime import datetime, timedelta
from functools import partial

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from customers.identity.models import Customer
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.audience import query_reasons
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.measurement.assignment_records import Kind
from recommendations.uplift.kinds.action_kind import ActionKind, ActionTarget, PastAction, Pool
from recommendations.uplift.kinds.assigned_members import build_assigned_query, count_assigned

MAX_CAMPAIGNS = 20  # the newest
KEY = "campaign"


def list_past_campaigns(as_of: datetime) -> list[PastAction]:
    """Return the newest campaigns with a finished run that had a holdout group and whose window is over, newest first."""
    campaigns = (
        Campaign.objects.filter(runs__status=CampaignRun.Status.FINISHED, runs__holdout_share__gt=0)
        .exclude(status=Campaign.Status.CANCELED)
        .distinct()
        .order_by("-created_at", "-id")
        .select_related("segment")
        .prefetch_related("runs")[: 3 * MAX_CAMPAIGNS]
    )
    found = [campaign for campaign in campaigns if list_finished_runs(campaign, as_of)][:MAX_CAMPAIGNS]
    sizes = count_assigned(Kind.CAMPAIGN, [campaign.pk for campaign in found], as_of)
    return [build_past_campaign(campaign, sizes[campaign.pk]) for campaign in found if campaign.pk in sizes]


def list_finished_runs(campaign: Campaign, as_of: datetime) -> list[CampaignRun]:
    """Return the runs to learn from. If one is not over, there are none: a customer's window ends with the last run's."""
    runs = list(campaign.runs.all())
    is_over = all(
        run.status in (CampaignRun.Status.FINISHED, CampaignRun.Status.CANCELED)
        and (as_of - run.started_at).days >= campaign.attribution_days
        for run in runs
    )
    return (
        [run for run in runs if run.status == CampaignRun.Status.FINISHED and run.holdout_share > 0] if is_over else []
    )


def build_past_campaign(campaign: Campaign, size: int) -> PastAction:
    """Return a campaign as an action; the window ends for all customers after the last run."""
    last = max(run.started_at for run in campaign.runs.all())
    until = sql.Literal(last + timedelta(days=campaign.attribution_days))
    members = build_assigned_query(
        Kind.CAMPAIGN, campaign.pk, until=until, condition=sql.SQL("a.assigned_at < {}").format(until)
    )
    find = partial(find_campaign_customers, campaign)
    return PastAction(KEY, Pool.MESSAGE, campaign.pk, campaign.key, campaign.name, members, size, find)


def find_campaign_customers(campaign: Campaign, as_of: datetime) -> QuerySet[Customer] | None:
    """Return who could get the campaign: in its segment, reachable, with consent, not in the global holdout."""
    try:
        return query_reasons(campaign, as_of).filter(reason="")
    except ConditionError:  # a segment that was broken after the campaign
        return None


def find_campaign(key: str) -> ActionTarget | None:
    row = Campaign.objects.filter(key=key).values_list("pk", "key", "name").first()
    return ActionTarget(*row) if row else None


CAMPAIGN = ActionKind(
    key=KEY,
    pool=Pool.MESSAGE,
    noun=_("Campaign"),
    label=_("send a campaign"),
    instruction=_("Send the campaign “%(name)s”."),
    field_label=_("campaign of the next best action"),
    field_help=_("Keys of campaigns."),
    url_name="admin:campaigns_campaign_change",
    list_past=list_past_campaigns,
    find_target=find_campaign,
)
