"""Decides the A/B tests of messages, and sends the winner to the customers who wait for it.

The decision and the release of the waiting messages are one transaction: if the process is killed, the next start of the job decides the test.
"""

import logging
from datetime import datetime, timedelta
from itertools import count

from django.db import transaction
from django.db.models import QuerySet

from config.foundation.audit_log import record_action
from config.foundation.shop.profile import get_time_zone
from recommendations.campaigns.launch.readiness import find_newest_version
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.message_test import choose_outcome, make_figures, measure_test, read_progress
from recommendations.campaigns.schedule import convert_local_time
from recommendations.sending.checks.quiet_hours import choose_time_zone
from recommendations.sending.queue import MessageTest, list_waiting_zones, release_waiting

logger = logging.getLogger(__name__)
ORIGIN = "campaign"


def build_test(campaign: Campaign) -> MessageTest | None:
    """Return the test that a run starts, which the launch has checked; None without one."""
    version = find_newest_version(campaign.test_template)
    if version is None:
        return None
    # another salt than that of the holdout group, so that both are independent
    return MessageTest(f"{campaign.salt}:test", campaign.test_share, version.pk)


def query_undecided_runs() -> QuerySet[CampaignRun]:
    """Query the runs whose test is not decided. That of a paused campaign waits until it is resumed."""
    return CampaignRun.objects.filter(
        status=CampaignRun.Status.SENDING, test_version__isnull=False, test_decided_at=None
    ).select_related("campaign")


def decide_ended_tests(*, now: datetime) -> int:
    """Decide the tests whose time is over; return their number. An error in one is logged, so that the others are still decided."""
    runs = list(query_undecided_runs())
    progress = read_progress(runs, now=now) if runs else {}
    decided = 0
    for run in runs:
        if progress[run.pk].is_sending or progress[run.pk].ends_at > now:
            continue
        try:
            decided += decide_test(run, now=now)
        except Exception:
            logger.exception("The test of run %d cannot be decided.", run.pk)
    return decided


def decide_test(run: CampaignRun, *, now: datetime) -> bool:
    """Choose the winner of an ended test, and queue it for the rest; False if the run was paused or canceled meanwhile."""
    with transaction.atomic():
        # before the run: pausing, resuming and canceling lock them in this order, too
        campaign = Campaign.objects.select_for_update().get(pk=run.campaign_id)
        locked = query_undecided_runs().select_for_update(of=("self",)).filter(pk=run.pk).first()
        if locked is None:
            return False
        result = measure_test(locked)
        outcome = choose_outcome(result.a, result.b)
        locked.test_outcome, locked.test_decided_at, locked.test_figures = outcome, now, make_figures(result)
        locked.save(update_fields=["test_outcome", "test_decided_at", "test_figures"])
        is_b = outcome == CampaignRun.TestOutcome.B
        winner = locked.test_version_id if is_b else locked.template_version_id
        assert winner is not None
        waiting = release_waiting(
            ORIGIN,
            locked.pk,
            template_version_id=winner,
            due_at=now,
            due_by_zone=find_due_times(campaign, locked, now=now),
        )
        details = {"outcome": outcome, "message": "B" if is_b else "A", "waiting": waiting, **locked.test_figures}
        record_action("campaign.test_decided", instance=campaign, label=campaign.name, details=details)
    return True


def find_due_times(campaign: Campaign, run: CampaignRun, *, now: datetime) -> dict[tuple[str, str], datetime]:
    """Return when the winner is due by time zone trait and country: the next time that the clock shows the time of the campaign there.

    Empty for a campaign that does not follow local times: its winner is due at once, and quiet hours apply when it is sent.
    """
    if not campaign.follows_local_time:
        return {}
    return {
        (trait, country): find_next_due_time(run.scheduled_for, trait, country, now=now)
        for trait, country in list_waiting_zones(ORIGIN, run.pk)
    }


def find_next_due_time(scheduled_for: datetime, trait: str, country: str, *, now: datetime) -> datetime:
    """Return the first moment from now on at which the customer's clock shows the time of day for which the run was scheduled."""
    shop_zone = get_time_zone()
    zone = choose_time_zone(trait=trait, country=country, shop_zone=shop_zone)
    local = scheduled_for.astimezone(shop_zone)
    first = max(0, (now - scheduled_for).days - 2)  # time zones are up to 26 hours apart
    days = (convert_local_time(local + timedelta(days=day), zone) for day in count(first))
    return next(at for at in days if at >= now)
