"""Starts the runs that are due, and ends those whose messages are settled.

A run, its audience and the time of the next run are written in one transaction: whenever the process is killed, either all of it
happened or nothing did, and the next start of the job finds the campaign still due.
"""

import logging
from datetime import datetime

from django.db import OperationalError, transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils.translation import gettext as _

from config.foundation.database.statement_timeouts import is_statement_timeout, limit_statements
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.models import Segment
from recommendations.campaigns.launch.frozen_audience import (
    freeze_audience,
    insert_skips,
    record_assigned_audience,
    split_by_due_time,
)
from recommendations.campaigns.launch.message_tests import build_test
from recommendations.campaigns.launch.message_variants import MessageVariantError, expose_audience
from recommendations.campaigns.launch.notifications import publish_campaign_event
from recommendations.campaigns.launch.readiness import find_message_problems, find_published_version
from recommendations.campaigns.models import Campaign, CampaignRun, CampaignSettings
from recommendations.campaigns.schedule import build_schedule, find_next_run
from recommendations.sending.queue import Holdout, find_unfinished_origins, queue_audience

logger = logging.getLogger(__name__)
ORIGIN = "campaign"
ACTIVE_STATUSES = (Campaign.Status.SCHEDULED, Campaign.Status.RUNNING)
UNFINISHED = (CampaignRun.Status.SENDING, CampaignRun.Status.PAUSED)
# What a request may start itself: queueing costs about 15 microseconds of CPU per customer, and a request has a time limit.
MAX_CUSTOMERS_IN_REQUEST = 20_000
MAX_STATEMENT_MS_IN_REQUEST = 2_000


class RunError(Exception):
    """A run cannot start until someone changes the campaign."""


class LargeAudienceError(Exception):
    """A run has more customers than its caller can queue."""


def start_due_runs(*, now: datetime) -> int:
    """Start every run whose time has come; return their number. A campaign that cannot run is paused with the reason.

    An error in one campaign is logged, so that the others still start.
    """
    due = list(
        Campaign.objects.filter(next_run_at__lte=now, status__in=ACTIVE_STATUSES)
        .order_by("-priority", "next_run_at")
        .values_list("pk", flat=True)
    )
    started = 0
    for pk in due:
        try:
            started += start_due_run(pk, now=now)
        except Exception:
            logger.exception("The run of campaign %d cannot start.", pk)
    return started


def start_small_run(campaign_id: int, *, now: datetime) -> bool:
    """Start the run of one campaign in a request, if it is due and small; the next start of the job starts a larger one."""
    try:
        with limit_statements(MAX_STATEMENT_MS_IN_REQUEST):
            return start_due_run(campaign_id, now=now, max_customers=MAX_CUSTOMERS_IN_REQUEST)
    except LargeAudienceError:
        return False
    except OperationalError as error:
        if not is_statement_timeout(error):
            raise
        return False


def is_preparing(campaign: Campaign, *, now: datetime) -> bool:
    """Return whether the messages of a run are due but not queued yet."""
    return campaign.status in ACTIVE_STATUSES and campaign.next_run_at is not None and campaign.next_run_at <= now


def start_due_run(campaign_id: int, *, now: datetime, max_customers: int | None = None) -> bool:
    """Start the run of one campaign; False if another process has it, or it cannot run.

    Raises:
        LargeAudienceError: its segment has more than ``max_customers``; nothing of the run is left.
    """
    with transaction.atomic():
        campaign = (
            Campaign.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("segment", "template", "test_template")
            .filter(pk=campaign_id, next_run_at__lte=now, status__in=ACTIVE_STATUSES)
            .first()
        )
        if campaign is None or campaign.next_scheduled_for is None:
            return False
        try:
            with transaction.atomic():  # a savepoint: a failure leaves nothing of the run
                start_run(campaign, scheduled_for=campaign.next_scheduled_for, now=now, max_customers=max_customers)
        except (RunError, ConditionError) as error:
            logger.warning("Campaign %s cannot run: %s", campaign.key, error)
            campaign.status, campaign.problem = Campaign.Status.PAUSED, str(error)
            campaign.save(update_fields=["status", "problem"])
            publish_campaign_event("campaign.paused", campaign)
            return False
        return True


def start_run(
    campaign: Campaign, *, scheduled_for: datetime, now: datetime, max_customers: int | None = None
) -> CampaignRun:
    """Create a run, queue its messages and plan the next one. In the transaction that has locked the campaign.

    Raises:
        RunError: the message cannot be sent. ConditionError: a segment is not valid.
        LargeAudienceError: the segment has more than ``max_customers``.
    """
    if problems := find_message_problems(campaign):
        raise RunError(" ".join(problem.message for problem in problems))
    version = find_published_version(campaign)
    assert version is not None
    test = build_test(campaign)
    approved = (campaign.approved_version_id, campaign.approved_test_version_id)
    sent = (version.pk, test.version_id if test else None)
    if campaign.approved_version_id is not None and approved != sent and is_approval_required():
        raise RunError(_("The message has changed since it was approved. Ask for approval again."))
    counts = freeze_audience(campaign, as_of=now)
    if max_customers is not None and counts.segment > max_customers:
        raise LargeAudienceError
    run = CampaignRun.objects.create(
        campaign=campaign,
        number=(campaign.runs.aggregate(last=Max("number"))["last"] or 0) + 1,
        template_version=version,
        scheduled_for=scheduled_for,
        started_at=now,
        segment_key=campaign.segment.key,
        segment_condition=get_condition(campaign.segment),
        exclusions=[
            {"key": segment.key, "name": segment.name, "condition": get_condition(segment)}
            for segment in campaign.excluded_segments.order_by("key")
        ],
        holdout_share=campaign.holdout_share,
        counts=counts.to_json(),
        test_version_id=test.version_id if test else None,
    )
    record_assigned_audience(campaign, at=now)
    try:
        variants = expose_audience(campaign, at=now)
    except MessageVariantError as error:
        raise RunError(str(error)) from error
    for due_at, customers in split_by_due_time(campaign, scheduled_for=scheduled_for):
        queue_audience(
            origin_kind=ORIGIN,
            origin_id=run.pk,
            customers=customers,
            template_version_id=version.pk,
            channel=campaign.channel,
            due_at=due_at,
            priority=campaign.priority,
            is_transactional=campaign.is_transactional,
            holdout=Holdout(campaign.salt, campaign.holdout_share),
            variants=variants,
            test=test,
        )
    insert_skips(run_id=run.pk, template_version_id=version.pk, campaign=campaign, due_at=scheduled_for)
    campaign.status, campaign.problem = Campaign.Status.RUNNING, ""
    plan_next_run(campaign, after=max(scheduled_for, now))
    campaign.save(update_fields=["status", "problem", "next_run_at", "next_scheduled_for"])
    publish_campaign_event("campaign.run_started", campaign, run)
    return run


def get_condition(segment: Segment) -> object:
    return segment.condition if segment.kind == Segment.Kind.DYNAMIC else None


def is_approval_required() -> bool:
    return CampaignSettings.objects.filter(requires_approval=True).exists()


def plan_next_run(campaign: Campaign, *, after: datetime) -> None:
    """Set the time of the first run later than ``after`` and than all earlier runs; a campaign that is sent once has none after its run.

    With customers' local times, a run starts before the time for which it is scheduled.
    """
    last = campaign.runs.aggregate(last=Max("scheduled_for"))["last"]
    after = max(after, last) if last is not None else after
    planned = (
        find_next_run(build_schedule(campaign), after=after, launched_at=after)
        if campaign.kind == Campaign.Kind.RECURRING
        else None
    )
    campaign.next_run_at = planned.prepared_at if planned else None
    campaign.next_scheduled_for = planned.scheduled_for if planned else None


def finish_runs(*, now: datetime) -> int:
    """End the runs without waiting messages, and the campaigns without a further run; return how many runs ended."""
    # a test is decided first, also if nobody waits for its winner
    sending = CampaignRun.objects.exclude(test_version__isnull=False, test_decided_at=None)
    runs = list(sending.filter(status=CampaignRun.Status.SENDING).select_related("campaign"))
    unfinished = find_unfinished_origins(ORIGIN, [run.pk for run in runs])
    finished = [run for run in runs if run.pk not in unfinished]
    for run in finished:
        finish_run(run, now=now)
    end_idle_campaigns()
    return len(finished)


def finish_run(run: CampaignRun, *, now: datetime) -> None:
    with transaction.atomic():
        # before the run: pausing, resuming and canceling lock them in this order, too
        campaign = Campaign.objects.select_for_update().filter(pk=run.campaign_id).first()
        changed = CampaignRun.objects.filter(pk=run.pk, status=CampaignRun.Status.SENDING).update(
            status=CampaignRun.Status.FINISHED, finished_at=now
        )
        if campaign is None or not changed:
            return
        publish_campaign_event("campaign.run_finished", campaign, run)
        end_if_idle(campaign)


def end_idle_campaigns() -> None:
    """End the campaigns that have no further run after their last one has finished, because the last day was moved or has passed."""
    for pk in list(query_idle_campaigns().values_list("pk", flat=True)):
        with transaction.atomic():
            end_if_idle(Campaign.objects.select_for_update().get(pk=pk))


def query_idle_campaigns() -> QuerySet[Campaign]:
    """Query the active campaigns without a further run whose runs have all ended."""
    unfinished = CampaignRun.objects.filter(campaign=OuterRef("pk"), status__in=UNFINISHED)
    return Campaign.objects.filter(~Exists(unfinished), status__in=ACTIVE_STATUSES, next_run_at=None)


def end_if_idle(campaign: Campaign) -> None:
    """End a campaign that the caller has locked, if nothing of it is left to be sent."""
    if query_idle_campaigns().filter(pk=campaign.pk).exists():
        campaign.status = Campaign.Status.ENDED
        campaign.save(update_fields=["status"])
        publish_campaign_event("campaign.ended", campaign)
