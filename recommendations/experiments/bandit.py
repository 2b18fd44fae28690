"""Bandits: who was assigned with which shares, what that says of each variant, and the shares of the next day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from config.foundation.statistics import Sample
from recommendations.experiments.editing import set_allocation
from recommendations.experiments.members import build_members
from recommendations.experiments.models import BanditAllocation, Experiment, Variant
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import CountedOutcomes, count_outcomes
from recommendations.measurement.statistics.bandit import (
    BanditBatch,
    choose_shares,
    compute_best_probabilities,
    estimate_means,
)

MIN_PEOPLE = 100  # before the shares change for the first time
MIN_AGE = timedelta(days=1)  # of an allocation before the next one
REWARDS = {
    Experiment.Metric.ORDERS: OutcomeColumn.ORDERS,
    Experiment.Metric.REVENUE: OutcomeColumn.REVENUE,
    Experiment.Metric.MARGIN: OutcomeColumn.MARGIN,
}


def build_batches(
    counted: CountedOutcomes,
    *,
    allocations: Sequence[BanditAllocation],
    variants: Sequence[Variant],
    column: OutcomeColumn,
) -> list[BanditBatch]:
    """Return the outcomes of each allocation, by variant in the given order."""
    batches = []
    for allocation in allocations:
        samples = []
        for variant in variants:
            moments = counted.get_group(f"{variant.pk}:{allocation.pk}").moments
            samples.append(Sample(moments.n, float(moments.sums[column]), float(moments.products[column, column])))
        batches.append(BanditBatch(samples, [float(allocation.shares[str(variant.pk)]) for variant in variants]))
    return batches


def update_allocations(*, at: datetime) -> int:
    """Choose the shares of every running bandit again, once a day; return the number of changed experiments."""
    running = Experiment.objects.filter(
        status=Experiment.Status.RUNNING, method=Experiment.Method.BANDIT, is_simulated=False
    )
    return sum(update_allocation(experiment, at=at) for experiment in running)


def update_allocation(experiment: Experiment, *, at: datetime) -> bool:
    """Give each variant the probability that it is the best, but at least a small share; return whether that was done."""
    variants, allocations = list(experiment.variants.all()), list(experiment.allocations.all())
    if not allocations or at - allocations[-1].decided_at < MIN_AGE:
        return False
    counted = count_outcomes(build_members(experiment, as_of=at), as_of=at)
    column = REWARDS.get(Experiment.Metric(experiment.metric), OutcomeColumn.ORDERS)
    batches = build_batches(counted, allocations=allocations, variants=variants, column=column)
    if sum(batch.n for batch in batches) < MIN_PEOPLE:
        return False
    best = compute_best_probabilities(estimate_means(batches), seed=experiment.pk + len(allocations))
    shares = choose_shares(best)
    set_allocation(experiment, {v.pk: share for v, share in zip(variants, shares, strict=True)}, now=at)
    return True
