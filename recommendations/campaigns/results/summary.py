"""The result of a campaign: what it caused, by comparison with the holdout group, and what happened to its messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan

from config.foundation.statistics import (
    ConfidenceInterval,
    compare_means,
    compare_shares,
)
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.groups import GroupOutcome, count_groups
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS, compute_sample_ratio_p
from recommendations.sending.queue import DeliveryCounts, count_deliveries

LEVEL = 0.95
UNFINISHED = (CampaignRun.Status.SENDING, CampaignRun.Status.PAUSED)


@dataclass(frozen=True)
class Effect:
    """What the message caused: differences between recipients and holdout group, with 95% intervals.

    Attributes:
        conversion: in shares, 0.01 is one percentage point. orders: additional customers who reached the goal.
        revenue_per_customer, revenue: additional revenue, net of returns; None for a group of one customer.
    """

    conversion: ConfidenceInterval
    orders: ConfidenceInterval
    revenue_per_customer: ConfidenceInterval | None
    revenue: ConfidenceInterval | None


@dataclass(frozen=True)
class CampaignResults:
    """The results of one run or of all runs.

    verdict: "no_runs", "no_holdout", "uneven_groups", "preliminary", "increase", "decrease" or "no_effect".
    """

    as_of: datetime
    runs: int
    verdict: str
    final_at: datetime | None
    sample_ratio_p: float
    recipients: GroupOutcome
    holdout: GroupOutcome
    effect: Effect | None
    deliveries: DeliveryCounts
    audience: dict[str, int]


def compute_results(
    campaign: Campaign, *, as_of: datetime, runs: Sequence[CampaignRun] | None = None
) -> CampaignResults:
    """Return the results of all runs, or of these."""
    runs = list(campaign.runs.all()) if runs is None else runs
    if not runs:
        empty = GroupOutcome()
        return CampaignResults(as_of, 0, "no_runs", None, 1.0, empty, empty, None, DeliveryCounts(), {})
    groups = count_groups(campaign, runs, as_of=as_of)
    recipients, holdout = groups[False], groups[True]
    window = timedelta(days=campaign.attribution_days)
    final_at = max(run.started_at for run in runs) + window
    is_final = as_of >= final_at and not any(run.status in UNFINISHED for run in runs)
    share = float(runs[0].holdout_share)
    ratio = compute_sample_ratio_p((recipients.customers, holdout.customers), (1 - share, share))
    effect = compute_effect(recipients, holdout)
    return CampaignResults(
        as_of=as_of,
        runs=len(runs),
        verdict=choose_verdict(effect, ratio, is_final=is_final),
        final_at=final_at,
        sample_ratio_p=ratio,
        recipients=recipients,
        holdout=holdout,
        effect=effect,
        deliveries=sum_counts(list(count_deliveries("campaign", [run.pk for run in runs]).values())),
        audience=sum_audience(runs),
    )


def compute_effect(recipients: GroupOutcome, holdout: GroupOutcome) -> Effect | None:
    """Return the differences between both groups; None without a holdout group.

    The intervals are Newcombe's for shares and Welch's for revenue; totals are those of the average recipient × recipients.
    """
    if not recipients.customers or not holdout.customers:
        return None
    conversion = compare_shares(
        recipients.converted, recipients.customers, holdout.converted, holdout.customers, level=LEVEL
    )
    revenue = compare_means(recipients.revenue_sample, holdout.revenue_sample, level=LEVEL)
    additional = scale(conversion, recipients.customers)
    if isnan(revenue.low):
        return Effect(conversion, additional, None, None)
    return Effect(conversion, additional, revenue, scale(revenue, recipients.customers))


def scale(interval: ConfidenceInterval, factor: float) -> ConfidenceInterval:
    return ConfidenceInterval(interval.value * factor, interval.low * factor, interval.high * factor)


def choose_verdict(effect: Effect | None, ratio: float, *, is_final: bool) -> str:
    """Return the verdict. The groups are checked first: with uneven groups, a difference says nothing about the message."""
    if effect is None or isnan(effect.conversion.value):
        return "no_holdout"
    if ratio < SUSPICIOUS:
        return "uneven_groups"
    if not is_final:
        return "preliminary"
    if effect.conversion.low > 0:
        return "increase"
    return "decrease" if effect.conversion.high < 0 else "no_effect"


def sum_counts(counts: Sequence[DeliveryCounts]) -> DeliveryCounts:
    """Return the deliveries of several runs together."""
    total = DeliveryCounts()
    for entry in counts:
        for name in ("total", "sent", "delivered", "opened", "machine_opened", "clicked", "unsubscribed", "complained"):
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
