"""Compares one measure of two groups in every way that a results page shows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from config.foundation.statistics import ConfidenceInterval, compare_shares
from recommendations.measurement.outcomes.columns import COVARIATES, OutcomeColumn
from recommendations.measurement.outcomes.counting import GroupOutcomes
from recommendations.measurement.statistics.bootstrap import bootstrap_mean_difference
from recommendations.measurement.statistics.cuped import AdjustedComparison, compare_adjusted_means
from recommendations.measurement.statistics.relative_lift import compare_relative_means, compare_relative_shares
from recommendations.measurement.statistics.sequential import compute_always_valid_interval, compute_critical_value
from recommendations.measurement.timeline import Timeline

SEED = 20261127
FEW = 10  # customers who reached the goal, or did not: with fewer, the share is not nearly normal. Buyers: with fewer, pages say so


@dataclass(frozen=True)
class MeasureComparison:
    """One measure of both groups, per customer.

    Attributes:
        treated, control: the means; a conversion rate for shares.
        difference: not adjusted, with the interval of a single look: Newcombe's for shares, the wider of Welch's and Student's for means.
        adjusted: the same, adjusted by CUPED; removed: the share of the variance that this removes.
        sequential: the adjusted difference with an interval that stays valid however often it is looked at; Newcombe's for a share of
            few customers, not adjusted.
        relative: the relative lift, by Fieller from the adjusted difference; by Katz for a share of few customers. Its interval is
            always valid while the test runs, like that of effect.
        bootstrap: the unadjusted difference with the studentized bootstrap interval.
        effect: the interval to read: ``sequential`` while the test runs, then ``adjusted``.
        total: effect × treated customers.
        standard_error: of the adjusted difference.
    """

    treated: float
    control: float
    difference: ConfidenceInterval
    adjusted: ConfidenceInterval
    removed: float
    standard_error: float
    sequential: ConfidenceInterval
    effect: ConfidenceInterval
    total: ConfidenceInterval
    relative: ConfidenceInterval | None = None
    bootstrap: ConfidenceInterval | None = None


class MeasureComparer:
    """Compares one measure after the other of the same two groups."""

    def __init__(self, treated: GroupOutcomes, control: GroupOutcomes, timeline: Timeline, level: float) -> None:
        self.treated, self.control, self.timeline, self.level = treated, control, timeline, level

    def compare(
        self, column: OutcomeColumn, *, amounts: Sequence[float] = (), other_amounts: Sequence[float] = ()
    ) -> MeasureComparison:
        first, second = self.treated.moments, self.control.moments
        difference = compare_adjusted_means(first, second, outcome=column, covariates=(), level=self.level).interval
        adjusted = self.adjust(column)
        relative = self.compare_relative(adjusted)
        bootstrap = None
        if amounts or other_amounts:
            bootstrap = bootstrap_mean_difference(
                np.array(amounts), first.n, np.array(other_amounts), second.n, seed=SEED, level=self.level
            )
        return self.build(first.get_mean(column), second.get_mean(column), difference, adjusted, relative, bootstrap)

    def compare_conversion(self) -> MeasureComparison:
        """Compare the shares that reached the goal; with few customers on one side, the interval is Newcombe's.

        Without a customer who reached it, the adjusted difference would have an interval without width, as if the effect were certain.
        """
        counts = (self.treated.reached, self.treated.customers, self.control.reached, self.control.customers)
        difference = compare_shares(*counts, level=self.level)
        adjusted = self.adjust(OutcomeColumn.REACHED)
        measure = self.build(
            self.treated.moments.get_mean(OutcomeColumn.REACHED),
            self.control.moments.get_mean(OutcomeColumn.REACHED),
            difference,
            adjusted,
            self.compare_relative(adjusted),
            None,
        )
        sides = [
            side for group in (self.treated, self.control) for side in (group.reached, group.customers - group.reached)
        ]
        if min(sides) >= FEW:
            return measure
        valid = compute_critical_value(self.timeline.fraction, self.level)
        sequential = compare_shares(*counts, critical_value=valid)
        effect = difference if self.timeline.is_final else sequential
        relative = compare_relative_shares(*counts, critical_value=self.timeline.compute_critical_value(self.level))
        return replace(
            measure,
            sequential=sequential,
            effect=effect,
            total=scale_interval(effect, self.treated.customers),
            relative=keep_known(relative),
        )

    def compare_relative(self, adjusted: AdjustedComparison) -> ConfidenceInterval:
        """Return the relative lift; with the critical value of the effect, either both intervals include 0 or neither does."""
        critical_value = self.timeline.compute_critical_value(self.level)
        if self.timeline.is_final and adjusted.standard_error > 0:
            critical_value = (adjusted.high - adjusted.value) / adjusted.standard_error
        return compare_relative_means(
            adjusted.value,
            adjusted.standard_error,
            adjusted.control_mean,
            adjusted.control_standard_error,
            critical_value=critical_value,
        )

    def adjust(self, column: OutcomeColumn) -> AdjustedComparison:
        return compare_adjusted_means(
            self.treated.moments, self.control.moments, outcome=column, covariates=COVARIATES, level=self.level
        )

    def build(
        self,
        treated: float,
        control: float,
        difference: ConfidenceInterval,
        adjusted: AdjustedComparison,
        relative: ConfidenceInterval,
        bootstrap: ConfidenceInterval | None,
    ) -> MeasureComparison:
        sequential = compute_always_valid_interval(
            value=adjusted.value,
            standard_error=adjusted.standard_error,
            fraction=self.timeline.fraction,
            level=self.level,
        )
        effect = adjusted.interval if self.timeline.is_final else sequential
        return MeasureComparison(
            treated=treated,
            control=control,
            difference=difference,
            adjusted=adjusted.interval,
            removed=max(0.0, 1 - adjusted.variance_ratio),
            standard_error=adjusted.standard_error,
            sequential=sequential,
            effect=effect,
            total=scale_interval(effect, self.treated.customers),
            relative=keep_known(relative),
            bootstrap=keep_known(bootstrap),
        )


def scale_interval(interval: ConfidenceInterval, factor: float) -> ConfidenceInterval:
    return ConfidenceInterval(interval.value * factor, interval.low * factor, interval.high * factor)


def keep_known(interval: ConfidenceInterval | None) -> ConfidenceInterval | None:
    """Return the interval unless one of its numbers is unknown or infinite."""
    if interval is None or not np.isfinite([interval.value, interval.low, interval.high]).all():
        return None
    return interval
