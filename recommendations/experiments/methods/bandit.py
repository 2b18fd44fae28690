"""Bandits: who was assigned with which shares, the estimates of each variant, and the shares of the next day."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from math import isfinite, nan

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.statistics import Sample
from recommendations.experiments.members import build_members
from recommendations.experiments.methods.method import ExperimentMethod, ExperimentSetup
from recommendations.experiments.models import BanditAllocation, Experiment, Variant
from recommendations.experiments.planning import plan_by_outcomes
from recommendations.experiments.results import (
    COLUMNS,
    ExperimentResults,
    VariantComparer,
    VariantMetric,
    measure_variants,
)
from recommendations.measurement.measures import FEW
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import (
    CountedOutcomes,
    GroupOutcomes,
    count_outcomes,
    make_empty_outcomes,
)
from recommendations.measurement.statistics.bandit import (
    BanditBatch,
    WeightedMean,
    choose_shares,
    compare_weighted_means,
    compute_best_probabilities,
    estimate_means,
)

MIN_PEOPLE = 100  # before the shares change for the first time
MIN_AGE = timedelta(days=1)  # of an allocation before the next one


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
    """Choose new shares for every running bandit, once a day; return the number of changed experiments."""
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
    column = COLUMNS.get(experiment.metric, OutcomeColumn.ORDERS)
    batches = build_batches(counted, allocations=allocations, variants=variants, column=column)
    if sum(batch.n for batch in batches) < MIN_PEOPLE:
        return False
    best = compute_best_probabilities(estimate_means(batches), seed=experiment.pk + len(allocations))
    shares = choose_shares(best)
    set_allocation(experiment, {v.pk: share for v, share in zip(variants, shares, strict=True)}, now=at)
    return True


@transaction.atomic
def set_allocation(experiment: Experiment, shares: Mapping[int, float], *, now: datetime) -> None:
    """Give the variants of a bandit new shares from now on."""
    BanditAllocation.objects.create(
        experiment=experiment, decided_at=now, shares={str(pk): share for pk, share in shares.items()}
    )
    for pk, share in shares.items():
        Variant.objects.filter(pk=pk).update(allocation=share)
    experiment.save(update_fields=["updated_at"])  # this is how workers detect the change


def start_bandit(experiment: Experiment, now: datetime) -> None:
    """Begin with the planned shares."""
    set_allocation(experiment, {variant.pk: float(variant.share) for variant in experiment.variants.all()}, now=now)


class BanditComparer(VariantComparer):
    """Compares the variants of a bandit, with each person weighted by the inverse of the logged propensity."""

    @cached_property
    def allocations(self) -> list[BanditAllocation]:
        return list(self.experiment.allocations.all())

    def list_means(self, column: OutcomeColumn) -> list[WeightedMean]:
        """Return the weighted mean of each variant."""
        return estimate_means(
            build_batches(self.counted, allocations=self.allocations, variants=self.variants, column=column)
        )

    def get_group(self, variant: Variant) -> GroupOutcomes:
        """Return the people of all allocations together."""
        groups = [self.counted.get_group(f"{variant.pk}:{allocation.pk}") for allocation in self.allocations]
        whole = make_empty_outcomes().moments
        for group in groups:
            whole = whole + group.moments
        return GroupOutcomes(whole)

    def get_best_probability(self, variant: Variant) -> float | None:
        """Return the probability; none while few people have ordered, because it would name a best variant by chance."""
        if min(self.get_group(other).buyers for other in self.variants) < FEW:
            return None
        means = self.list_means(COLUMNS.get(self.experiment.metric, OutcomeColumn.ORDERS))
        if not means:
            return None
        best = compute_best_probabilities(means, seed=self.experiment.pk)
        return float(best[self.variants.index(variant)])

    def compare(self, variant: Variant, metric: str, column: OutcomeColumn) -> VariantMetric:
        means = self.list_means(column)
        total = float(self.get_group(variant).moments.sums[column])
        own = means[self.variants.index(variant)] if means else WeightedMean(nan, nan)
        mean = own.value if isfinite(own.value) else 0.0
        if variant.is_control or self.control is None or not means:
            return VariantMetric(metric, mean, total)
        control = means[self.variants.index(self.control)]
        difference = compare_weighted_means(own, control)
        effect, relative = self.build_intervals(
            difference.value, difference.standard_error, control.value, control.standard_error
        )
        return VariantMetric(metric, mean, total, effect, relative)


def measure_bandit(experiment: Experiment, as_of: datetime) -> ExperimentResults:
    """Return the results of a bandit, without a check of the group sizes and without clicks, whose plain averages are biased."""
    return measure_variants(experiment, as_of=as_of, comparer=BanditComparer, is_ratio_fixed=False)


def find_bandit_problems(setup: ExperimentSetup) -> dict[str, str | Promise]:
    if setup.metric == Experiment.Metric.CLICKS:
        return {"metric": _("A bandit needs orders, revenue or margin as its primary metric.")}
    return {}


BANDIT = ExperimentMethod(
    key=Experiment.Method.BANDIT,
    help_text=_("A bandit gives better variants more visitors while it runs."),
    measure=measure_bandit,
    plan=plan_by_outcomes,
    find_problems=find_bandit_problems,
    start=start_bandit,
)
