"""Compares the reported effect of a campaign run with the true effect, and stores both."""

from dataclasses import dataclass
from datetime import datetime

from config.campaign_simulation.models import SimulatedTruth
from recommendations.campaigns.models import CampaignRun
from recommendations.campaigns.results.summary import compute_results


@dataclass(frozen=True)
class TrueEffect:
    """The true effect of a run on its customers by intent to treat: recipients who got no message count with an effect of 0.

    Attributes:
        customers: those of both groups. conversion: a share. revenue: per customer.
    """

    customers: int
    conversion: float
    revenue: float


def compare_with_truth(run: CampaignRun, truth: TrueEffect, *, as_of: datetime) -> SimulatedTruth:
    """Store the truth of a run together with the estimate of its results."""
    comparison = compute_results(run.campaign, as_of=as_of).comparison
    conversion = comparison.conversion.effect if comparison.conversion else None
    revenue = comparison.revenue.effect if comparison.revenue else None
    return SimulatedTruth.objects.update_or_create(
        run=run,
        defaults={
            "customers": truth.customers,
            "conversion": truth.conversion,
            "revenue": truth.revenue,
            "estimate": conversion.value if conversion else None,
            "low": conversion.low if conversion else None,
            "high": conversion.high if conversion else None,
            "revenue_estimate": revenue.value if revenue else None,
            "revenue_low": revenue.low if revenue else None,
            "revenue_high": revenue.high if revenue else None,
            "is_covered": conversion.low <= truth.conversion <= conversion.high if conversion else None,
            "compared_at": as_of,
        },
    )[0]
