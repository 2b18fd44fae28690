"""The result of a campaign: what it caused, by comparison with the holdout group, and what happened to its messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from django.db.models import Count

from config.foundation.shop.profile import get_time_zone
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.groups import DELIVERIES, GOAL_MEANINGS, build_members
from recommendations.campaigns.results.message_test import MessageTestResult, measure_test
from recommendations.measurement.assignment_records import HOLDOUT, TREATED
from recommendations.measurement.attribution import RecommendedSales
from recommendations.measurement.comparison import (
    ComparisonVerdict,
    GroupComparison,
    GroupFigures,
    compare_groups,
)
from recommendations.measurement.outcomes.counting import count_outcomes, list_amounts
from recommendations.measurement.timeline import OPEN_ENDED, Timeline
from recommendations.sending.models import Delivery
from recommendations.sending.queue import FEEDBACK_COUNTS, DeliveryCounts, count_deliveries
from recommendations.sending.tracking.recommended_sales import count_recommended_sales

UNFINISHED = (CampaignRun.Status.SENDING, CampaignRun.Status.PAUSED)
OVER = (Campaign.Status.ENDED, Campaign.Status.CANCELED)


@dataclass(frozen=True)
class CampaignResults:
    """The results of all runs and exports. runs: the number of both."""

    as_of: datetime
    runs: int
    comparison: GroupComparison
    deliveries: DeliveryCounts
    audience: dict[str, int]
    recommended: RecommendedSales = field(default_factory=RecommendedSales)
    test: MessageTestResult | None = None


def name_results(campaign: Campaign) -> str:
    """Return the key under which slow results are kept."""
    runs = campaign.runs.aggregate(started=Count("pk"), decided=Count("test_decided_at"))
    starts = runs["started"] + runs["decided"] + campaign.exports.count()
    return f"campaign.results:{campaign.pk}:{campaign.status}:{starts}"


def compute_results(campaign: Campaign, *, as_of: datetime) -> CampaignResults:
    """Return the results so far."""
    runs = list(campaign.runs.select_related("campaign"))
    exported = list(campaign.exports.filter(exported_at__lte=as_of).values_list("exported_at", flat=True))
    starts = sorted([*(run.started_at for run in runs), *exported])
    deliveries = sum_counts(list(count_deliveries("campaign", [run.pk for run in runs]).values()))
    if not starts or (not exported and is_canceled_unsent(campaign, deliveries)):
        nothing = GroupComparison(as_of, ComparisonVerdict.NO_RUNS, False, None, 1.0, GroupFigures(), GroupFigures())
        return CampaignResults(as_of, 0, nothing, deliveries, {})
    window = timedelta(days=campaign.attribution_days)
    measured = window + max((compute_test_delay(run) for run in runs), default=timedelta())
    has_unfinished = any(run.status in UNFINISHED for run in runs)
    timeline = build_timeline(campaign, starts, window=measured, has_unfinished=has_unfinished, as_of=as_of)
    members = build_members(campaign, runs, until=starts[-1] + measured)
    counted = count_outcomes(members, as_of=as_of, goal=GOAL_MEANINGS[Campaign.Goal(campaign.goal)])
    comparison = compare_groups(
        counted,
        treated=TREATED,
        control=HOLDOUT,
        holdout_share=float(campaign.holdout_share),
        timeline=timeline,
        amounts=list_amounts(members, as_of=as_of, counted=counted),
        complaints=(deliveries.complained, deliveries.sent) if runs else None,
    )
    recommended = count_recommended_sales(DELIVERIES, {"runs": [run.pk for run in runs]}, window=window, as_of=as_of)
    return CampaignResults(
        as_of, len(starts), comparison, deliveries, sum_audience(runs), recommended, measure_tests(runs)
    )


def compute_test_delay(run: CampaignRun) -> timedelta:
    """Return how much later than the start the rest gets the winner of an A/B test: for them, the attribution window begins then."""
    if run.test_decided_at is not None:
        return run.test_decided_at - run.started_at
    is_undecided = run.test_version_id is not None and run.status in UNFINISHED
    return timedelta(hours=run.campaign.test_hours) if is_undecided else timedelta()


def measure_tests(runs: Sequence[CampaignRun]) -> MessageTestResult | None:
    """Return the figures of the A/B test; a campaign with a test has one run."""
    tested = [run for run in runs if run.test_version_id is not None]
    return measure_test(tested[0]) if tested else None


def is_canceled_unsent(campaign: Campaign, deliveries: DeliveryCounts) -> bool:
    """Return whether a campaign was canceled before it reached anyone, so that it cannot have an effect."""
    kept_back = sum(
        deliveries.by_status.get(status, 0) for status in (Delivery.Status.CANCELED, Delivery.Status.SKIPPED)
    )
    return campaign.status == Campaign.Status.CANCELED and sum(deliveries.by_status.values()) == kept_back


def build_timeline(
    campaign: Campaign, starts: Sequence[datetime], *, window: timedelta, has_unfinished: bool, as_of: datetime
) -> Timeline:
    """Return the period in which outcomes count: to the end of the last run's window; for an active recurring campaign, of its last day's."""
    end = starts[-1] + window
    if (
        campaign.kind == Campaign.Kind.RECURRING
        and campaign.status not in OVER
        and campaign.channel != Campaign.Channel.EXPORT
    ):
        ends = campaign.ends_on is not None
        if campaign.ends_on is not None:
            planned = datetime.combine(campaign.ends_on, time(23, 59), get_time_zone()) + window
        else:
            planned = starts[0] + OPEN_ENDED
        planned_end = max(planned, end) if ends else planned
        return Timeline(starts[0], as_of, planned_end, is_final=False, ends=ends, has_arrivals=True)
    is_final = as_of >= end and not has_unfinished
    return Timeline(starts[0], as_of, end, is_final=is_final, has_arrivals=len(starts) > 1)


def sum_counts(counts: Sequence[DeliveryCounts]) -> DeliveryCounts:
    """Return the deliveries of several runs together."""
    total = DeliveryCounts()
    for entry in counts:
        for name in ("total", *FEEDBACK_COUNTS):
            setattr(total, name, getattr(total, name) + getattr(entry, name))
        for name in ("by_status", "by_skip_reason"):
            target = getattr(total, name)
            for key, number in getattr(entry, name).items():
                target[key] = target.get(key, 0) + number
    return total


def sum_audience(runs: Sequence[CampaignRun]) -> dict[str, int]:
    """Return the customers at each step at the start of the runs, added up."""
    total: dict[str, int] = {}
    for run in runs:
        for step, number in run.counts.items():
            total[step] = total.get(step, 0) + int(number)
    return total
