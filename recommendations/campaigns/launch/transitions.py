"""The changes of a campaign's state: launch, approval, pause, resume and cancel."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_action
from recommendations.campaigns.launch.notifications import publish_campaign_event
from recommendations.campaigns.launch.readiness import (
    LaunchError,
    LaunchProblem,
    find_launch_problems,
    find_newest_version,
    find_published_version,
)
from recommendations.campaigns.launch.runs import (
    ORIGIN,
    UNFINISHED,
    is_approval_required,
    plan_next_run,
    start_small_run,
)
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.schedule import build_schedule, find_next_run
from recommendations.sending import queue

Status = Campaign.Status


@contextmanager
def lock_campaign(campaign: Campaign, *, allowed: tuple[Status, ...], refusal: str) -> Iterator[Campaign]:
    """Lock a campaign while its state changes, and write the new state to the caller's object too.

    Raises:
        LaunchError: its state is not one of those allowed. refusal: the message, with %(status)s.
    """
    with transaction.atomic():
        locked = (
            Campaign.objects.select_for_update(of=("self",))
            .select_related("segment", "template", "test_template")
            .get(pk=campaign.pk)
        )
        if locked.status not in allowed:
            raise LaunchError([LaunchProblem("status", refusal % {"status": locked.get_status_display()})])
        yield locked
    campaign.refresh_from_db()


def launch(campaign: Campaign, *, by: User | None, now: datetime) -> None:
    """Schedule a draft, or submit it for approval if the shop requires that; a small audience that is due now is queued at once.

    Raises:
        LaunchError: something is missing, or it is not a draft.
    """
    refusal = _("This campaign is %(status)s. Only a draft can be launched.")
    with lock_campaign(campaign, allowed=(Status.DRAFT,), refusal=refusal) as locked:
        if problems := find_launch_problems(locked, now=now):
            raise LaunchError(problems)
        if is_approval_required():
            locked.status, locked.submitted_by = Status.WAITING, by
            locked.approved_version = find_published_version(locked)
            locked.approved_test_version = find_newest_version(locked.test_template)
            locked.save(update_fields=["status", "submitted_by", "approved_version", "approved_test_version"])
            record_transition("campaign.submitted", locked)
            return
        schedule(locked, now=now)
        record_transition("campaign.launched", locked)
    start_small_run(campaign.pk, now=now)
    campaign.refresh_from_db()


def schedule(campaign: Campaign, *, now: datetime) -> None:
    """Plan the first run of a locked campaign."""
    planned = find_next_run(build_schedule(campaign), after=now - timedelta(microseconds=1), launched_at=now)
    if planned is None:
        text = _("The start is in the past. Choose a later time, or leave it empty to send immediately.")
        raise LaunchError([LaunchProblem("starts_at", text)])
    campaign.status, campaign.problem = Status.SCHEDULED, ""
    campaign.next_run_at, campaign.next_scheduled_for = planned.prepared_at, planned.scheduled_for
    campaign.save(update_fields=["status", "problem", "next_run_at", "next_scheduled_for"])


def approve(campaign: Campaign, *, by: User, now: datetime) -> None:
    """Schedule a campaign that waits for approval.

    Raises:
        LaunchError: it does not wait for approval, the user is its author, or something is missing by now.
    """
    refusal = _("This campaign is %(status)s. Only a campaign that is waiting for approval can be approved.")
    with lock_campaign(campaign, allowed=(Status.WAITING,), refusal=refusal) as locked:
        if by.pk in (locked.created_by_id, locked.submitted_by_id):
            text = _("You wrote or submitted this campaign. Someone else has to approve it.")
            raise LaunchError([LaunchProblem("status", text)])
        if problems := find_launch_problems(locked, now=now):
            raise LaunchError(problems)
        locked.approved_by, locked.approved_at = by, now
        locked.save(update_fields=["approved_by", "approved_at"])
        schedule(locked, now=now)
        record_transition("campaign.approved", locked)
    start_small_run(campaign.pk, now=now)
    campaign.refresh_from_db()


def return_to_draft(campaign: Campaign) -> None:
    """Make a campaign that waits for approval or for its first run a draft again, so that it can be edited."""
    refusal = _("This campaign is %(status)s. Only a campaign that has not started can be edited as a draft.")
    with lock_campaign(campaign, allowed=(Status.WAITING, Status.SCHEDULED), refusal=refusal) as locked:
        if locked.runs.exists():
            raise LaunchError([LaunchProblem("status", refusal % {"status": locked.get_status_display()})])
        clear_plan(locked, status=Status.DRAFT)
        locked.approved_by = locked.approved_at = locked.submitted_by = None
        locked.approved_version = locked.approved_test_version = None
        approval = ("approved_by", "approved_at", "approved_version", "approved_test_version", "submitted_by")
        locked.save(update_fields=approval)
        record_transition("campaign.returned", locked)


def pause(campaign: Campaign) -> None:
    """Stop sending immediately, and start no further run until the campaign is resumed."""
    refusal = _("This campaign is %(status)s. Only a scheduled or running campaign can be paused.")
    with lock_campaign(campaign, allowed=(Status.SCHEDULED, Status.RUNNING), refusal=refusal) as locked:
        locked.status = Status.PAUSED
        locked.save(update_fields=["status"])
        for run in locked.runs.filter(status=CampaignRun.Status.SENDING):
            queue.pause(ORIGIN, run.pk)
        locked.runs.filter(status=CampaignRun.Status.SENDING).update(status=CampaignRun.Status.PAUSED)
        record_transition("campaign.paused", locked)


def resume(campaign: Campaign, *, now: datetime) -> None:
    """Continue to send. A run that was due in the meantime starts; a recurring campaign skips such runs and waits for the next one.

    Raises:
        LaunchError: it is not paused, or its message cannot be sent.
    """
    refusal = _("This campaign is %(status)s. Only a paused campaign can be resumed.")
    with lock_campaign(campaign, allowed=(Status.PAUSED,), refusal=refusal) as locked:
        if locked.next_run_at is not None and locked.kind == Campaign.Kind.RECURRING:
            plan_next_run(locked, after=now)
        locked.problem = ""
        locked.status = Status.RUNNING if locked.runs.exists() else Status.SCHEDULED
        locked.save(update_fields=["status", "problem", "next_run_at", "next_scheduled_for"])
        for run in locked.runs.filter(status=CampaignRun.Status.PAUSED):
            queue.resume(ORIGIN, run.pk)
        locked.runs.filter(status=CampaignRun.Status.PAUSED).update(status=CampaignRun.Status.SENDING)
        record_transition("campaign.resumed", locked)
    start_small_run(campaign.pk, now=now)
    campaign.refresh_from_db()


def cancel(campaign: Campaign, *, now: datetime) -> None:
    """Stop for good: what is waiting is not sent any more."""
    allowed = (Status.WAITING, Status.SCHEDULED, Status.RUNNING, Status.PAUSED)
    refusal = _("This campaign is %(status)s. It cannot be canceled.")
    with lock_campaign(campaign, allowed=allowed, refusal=refusal) as locked:
        clear_plan(locked, status=Status.CANCELED)
        for run in locked.runs.filter(status__in=UNFINISHED):
            queue.cancel(ORIGIN, run.pk)
        locked.runs.filter(status__in=UNFINISHED).update(status=CampaignRun.Status.CANCELED, finished_at=now)
        record_transition("campaign.canceled", locked)


def plan_after_edit(campaign: Campaign, *, now: datetime) -> None:
    """Plan the next run of a recurring campaign again, because its schedule may have been edited."""
    if campaign.kind != Campaign.Kind.RECURRING or campaign.status not in (
        Status.SCHEDULED,
        Status.RUNNING,
        Status.PAUSED,
    ):
        return
    plan_next_run(campaign, after=now)
    campaign.save(update_fields=["next_run_at", "next_scheduled_for"])


def record_transition(event: str, campaign: Campaign) -> None:
    """Record a change in the audit log, and tell the endpoints that subscribe to it."""
    record_action(event, instance=campaign, label=campaign.name)
    publish_campaign_event("campaign.launched" if event == "campaign.approved" else event, campaign)


def clear_plan(campaign: Campaign, *, status: Status) -> None:
    campaign.status, campaign.problem = status, ""
    campaign.next_run_at = campaign.next_scheduled_for = None
    campaign.save(update_fields=["status", "problem", "next_run_at", "next_scheduled_for"])
