"""The results of an experiment: each variant against the control, by intent to treat, with intervals that may be looked at daily.

All `methods` use the functions of this module to measure their experiments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite

from config.foundation.statistics import ConfidenceInterval
from recommendations.experiments.members import build_members, compute_window
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.subjects import find_subject
from recommendations.measurement.outcomes.columns import COVARIATES, OutcomeColumn
from recommendations.measurement.outcomes.counting import (
    CountedOutcomes,
    GroupOutcomes,
    count_outcomes,
)
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.statistics.cuped import compare_adjusted_means
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.measurement.statistics.multiple_comparisons import compute_simultaneous_level
from recommendations.measurement.statistics.relative_lift import compare_relative_means
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS, compute_sample_ratio_p
from recommendations.measurement.statistics.sequential import compute_always_valid_interval, compute_critical_value

LEVEL = 0.95
MIN_UNITS = 50  # of the smallest variant; with fewer, normal intervals are not reliable
Metric = Experiment.Metric
COLUMNS: Mapping[str, OutcomeColumn] = {
    Metric.ORDERS: OutcomeColumn.ORDERS,
    Metric.REVENUE: OutcomeColumn.REVENUE,
    Metric.MARGIN: OutcomeColumn.MARGIN,
}
RETURNS = "returns"  # a guard metric: what must not get worse, whatever a variant earns


class ExperimentVerdict(StrEnum):
    """What the results say about the primary metric."""

    NOT_STARTED = "not_started"
    UNEVEN_GROUPS = "uneven_groups"
    TOO_FEW = "too_few"
    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class VariantMetric:
    """One metric of a variant, per unit. effect: the difference to the control; relative: the same relative to it.

    Both are None for the control, and while everyone has the same value, such as no click.
    removed: the share of the variance that the adjustment for earlier orders has removed.
    """

    metric: str
    mean: float
    total: float
    effect: ConfidenceInterval | None = None
    relative: ConfidenceInterval | None = None
    removed: float = 0.0


@dataclass(frozen=True)
class VariantResult:
    """What the people of one variant did since their first exposure. units: customers or visitors. share: as planned."""

    key: str
    name: str
    is_control: bool
    is_promoted: bool
    share: float
    allocation: float
    units: int
    buyers: int
    metrics: tuple[VariantMetric, ...]
    best_probability: float | None = None

    def get_metric(self, metric: str) -> VariantMetric | None:
        return next((result for result in self.metrics if result.metric == metric), None)


@dataclass(frozen=True)
class VariantPreference:
    """Whose products people chose more often from interleaved lists.

    Attributes:
        people: customers or visitors who were shown such a list. clicked: those of them who clicked one of its products.
        credited: those of them who clicked a product that belongs to a variant.
        control, variant: those who clicked more products of the one or of the other; the rest of credited clicked equally many of both.
        share: of the counted clicks on products of the variant. p_value: of one half; both are valid however often they are read.
        needed: how many credited people it takes to show a share of RELEVANT_PREFERENCE at the planned end. missing: how many more than now.
        clicks, orders: of the products of control and variant, the first COUNTED_CLICKS of each person; an order counts if its product was
            clicked before.
    """

    people: int
    clicked: int
    credited: int
    control: int
    variant: int
    share: ConfidenceInterval
    p_value: float
    needed: int
    missing: int
    clicks: tuple[int, int]
    orders: tuple[int, int]

    @property
    def ties(self) -> int:
        return self.credited - self.control - self.variant


@dataclass(frozen=True)
class ExperimentResults:
    """All variants, the control first. best: the key of the variant that the verdict is about.

    sample_ratio_p: the p-value of the sizes of the variants; fraction: elapsed ÷ planned duration. has_margin: whether costs are known.
    preference: of an interleaving, which has no other metric.
    """

    as_of: datetime
    verdict: ExperimentVerdict
    best: str
    fraction: float
    sample_ratio_p: float
    has_margin: bool
    variants: tuple[VariantResult, ...]
    preference: VariantPreference | None = None

    @property
    def units(self) -> int:
        if self.preference is not None:
            return self.preference.people  # everyone is shown both variants
        return sum(variant.units for variant in self.variants)

    def get_best(self) -> VariantResult | None:
        return next((variant for variant in self.variants if variant.key == self.best), None)


type CompareVariants = Callable[
    [Experiment, list[Variant], CountedOutcomes, Mapping[str, GroupMoments], float], "VariantComparer"
]


def measure_variants(
    experiment: Experiment, *, as_of: datetime, comparer: CompareVariants, is_ratio_fixed: bool = True
) -> ExperimentResults:
    """Count the outcomes of all variants with two statements, and compare each with the control.

    is_ratio_fixed: False if the shares change, so that neither sizes nor plain averages of clicks can be compared.
    """
    variants = list(experiment.variants.all())
    if experiment.started_at is None:
        return make_unstarted_results(as_of)
    counted = count_outcomes(build_members(experiment, as_of=as_of), as_of=as_of)
    clicks = count_clicks(experiment, as_of=as_of) if is_ratio_fixed else {}
    fraction = compute_fraction(experiment, as_of=as_of)
    compare = comparer(experiment, variants, counted, clicks, compute_information(experiment, as_of=as_of))
    results = tuple(compare.build(variant) for variant in variants)
    shares = [float(variant.share) for variant in variants]
    p = compute_sample_ratio_p([result.units for result in results], shares) if is_ratio_fixed else 1.0
    verdict, best = choose_verdict(experiment, results, p)
    has_margin = counted.margin_basis in (MarginBasis.COSTS, MarginBasis.SETTING)
    return ExperimentResults(as_of, verdict, best, fraction, p, has_margin, results)


def make_unstarted_results(as_of: datetime) -> ExperimentResults:
    """Return the results of a draft."""
    return ExperimentResults(as_of, ExperimentVerdict.NOT_STARTED, "", 0.0, 1.0, False, ())


def compute_fraction(experiment: Experiment, *, as_of: datetime) -> float:
    """Return the elapsed share of the planned duration, above 0."""
    assert experiment.started_at is not None
    elapsed = (experiment.stopped_at or as_of) - experiment.started_at
    return max(elapsed / timedelta(days=experiment.planned_days), 1e-6)


def compute_information(experiment: Experiment, *, as_of: datetime) -> float:
    """Return the share of the planned information that there is, above 0: the clock on which the intervals may be looked at daily.

    People arrive over time, and their orders add up after that, so the information grows with the square of the time. The people of a
    bandit count when their window is over: the first information comes after one window, and it grows with the time.
    """
    if experiment.method != Experiment.Method.BANDIT:
        return max(compute_fraction(experiment, as_of=as_of) ** 2, 1e-6)
    assert experiment.started_at is not None
    window = compute_window(experiment)
    counted = (experiment.stopped_at or as_of) - experiment.started_at - window
    planned = max(timedelta(days=experiment.planned_days) - window, timedelta(days=1))
    return max(counted / planned, 1e-6)


def count_clicks(experiment: Experiment, *, as_of: datetime) -> Mapping[str, GroupMoments]:
    """Return the clicks per person by variant, if the subject can count them."""
    subject = find_subject(experiment.kind)
    if subject is None or subject.count_clicks is None:
        return {}
    return subject.count_clicks(experiment, as_of)


class VariantComparer:
    """Compares one variant after the other with the control; all intervals are valid simultaneously."""

    def __init__(
        self,
        experiment: Experiment,
        variants: list[Variant],
        counted: CountedOutcomes,
        clicks: Mapping[str, GroupMoments],
        fraction: float,
    ) -> None:
        self.experiment, self.variants, self.clicks, self.fraction = experiment, variants, clicks, fraction
        self.counted = counted
        self.control = next((variant for variant in variants if variant.is_control), None)
        self.level = compute_simultaneous_level(LEVEL, max(1, len(variants) - 1))

    def build(self, variant: Variant) -> VariantResult:
        group = self.get_group(variant)
        metrics = [self.compare(variant, metric, column) for metric, column in self._list_columns()]
        if str(variant.pk) in self.clicks:
            metrics.append(self.compare_clicks(variant))
        share = float(variant.share)
        return VariantResult(
            key=variant.key,
            name=variant.name,
            is_control=variant.is_control,
            is_promoted=variant.is_promoted,
            share=share,
            allocation=share if variant.allocation is None else variant.allocation,
            units=group.customers,
            buyers=group.buyers,
            metrics=tuple(metrics),
            best_probability=self.get_best_probability(variant),
        )

    def get_group(self, variant: Variant) -> GroupOutcomes:
        return self.counted.get_group(str(variant.pk))

    def get_best_probability(self, variant: Variant) -> float | None:
        """Return the probability that the variant is the best, which only bandits have."""
        return None

    def _list_columns(self) -> list[tuple[str, OutcomeColumn]]:
        has_margin = self.counted.margin_basis in (MarginBasis.COSTS, MarginBasis.SETTING)
        columns = [(metric, column) for metric, column in COLUMNS.items() if metric != Metric.MARGIN or has_margin]
        return [*columns, (RETURNS, OutcomeColumn.RETURNS)]

    def compare(self, variant: Variant, metric: str, column: OutcomeColumn) -> VariantMetric:
        moments = self.counted.get_group(str(variant.pk)).moments
        control = self.counted.get_group(str(self.control.pk)).moments if self.control is not None else None
        covariates = () if metric == RETURNS else COVARIATES
        return self._compare(variant, metric, moments, control, int(column), covariates)

    def compare_clicks(self, variant: Variant) -> VariantMetric:
        control = self.clicks.get(str(self.control.pk)) if self.control is not None else None
        return self._compare(variant, Metric.CLICKS, self.clicks[str(variant.pk)], control, 0, ())

    def _compare(
        self,
        variant: Variant,
        metric: str,
        moments: GroupMoments,
        control: GroupMoments | None,
        column: int,
        covariates: tuple[OutcomeColumn, ...],
    ) -> VariantMetric:
        mean, total = (moments.get_mean(column) if moments.n else 0.0), float(moments.sums[column])
        if variant.is_control or control is None or min(moments.n, control.n) < 2:
            return VariantMetric(metric, mean, total)
        adjusted = compare_adjusted_means(moments, control, outcome=column, covariates=covariates, level=self.level)
        effect, relative = self.build_intervals(
            adjusted.value, adjusted.standard_error, adjusted.control_mean, adjusted.control_standard_error
        )
        return VariantMetric(metric, mean, total, effect, relative, max(0.0, 1 - adjusted.variance_ratio))

    def build_intervals(
        self, value: float, standard_error: float, control_mean: float, control_standard_error: float
    ) -> tuple[ConfidenceInterval | None, ConfidenceInterval | None]:
        """Return the difference and the relative change; with the same critical value, both intervals include 0, or neither does.

        On the first days, the relative change may be unknown, because the control mean is not clearly above 0 by that value.
        """
        effect = compute_always_valid_interval(
            value=value, standard_error=standard_error, fraction=self.fraction, level=self.level
        )
        relative = compare_relative_means(
            value,
            standard_error,
            control_mean,
            control_standard_error,
            critical_value=compute_critical_value(self.fraction, self.level),
        )
        return keep_known(effect), keep_known(relative)


def keep_known(interval: ConfidenceInterval) -> ConfidenceInterval | None:
    """Return the interval unless one of its numbers is unknown or infinite.

    If everyone has the same value, such as no click, the variance is 0, but that says nothing about how sure the difference is:
    an interval without any width is therefore not returned either.
    """
    is_known = all(map(isfinite, (interval.value, interval.low, interval.high)))
    return interval if is_known and interval.low < interval.high else None


def choose_verdict(
    experiment: Experiment, results: tuple[VariantResult, ...], p: float
) -> tuple[ExperimentVerdict, str]:
    """Return the verdict on the primary metric, and the variant that it is about; the group sizes are checked first."""
    if p < SUSPICIOUS:
        return ExperimentVerdict.UNEVEN_GROUPS, ""
    others = [result for result in results if not result.is_control]
    effects = {
        result.key: metric.effect
        for result in others
        if (metric := result.get_metric(experiment.metric)) is not None and metric.effect is not None
    }
    if not effects or min(result.units for result in results) < MIN_UNITS:
        return ExperimentVerdict.TOO_FEW, ""
    best = max(effects, key=lambda key: effects[key].value)
    if effects[best].low > 0:
        return ExperimentVerdict.BETTER, best
    if all(effect.high < 0 for effect in effects.values()):
        return ExperimentVerdict.WORSE, best
    return ExperimentVerdict.UNCLEAR, best
