"""Compares two groups: everything that a results page shows about the effect, from the moments of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from config.foundation.statistics import ConfidenceInterval
from recommendations.measurement.detectability import RELEVANT_LIFT, Detectability, compute_detectability
from recommendations.measurement.guards import GuardComparison, compare_guards
from recommendations.measurement.measures import MeasureComparer, MeasureComparison, keep_known
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import WHOLE, CountedOutcomes, GroupOutcomes
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.statistics.multiple_comparisons import compute_simultaneous_level
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS, compute_sample_ratio_p
from recommendations.measurement.timeline import Timeline

LEVEL = 0.95
MIN_PART = 20  # customers of each group; smaller parts of a breakdown are not compared


class ComparisonVerdict(StrEnum):
    """What the comparison says about the revenue."""

    NO_RUNS = "no_runs"
    NO_HOLDOUT = "no_holdout"
    UNEVEN_GROUPS = "uneven_groups"
    INCREASE = "increase"
    DECREASE = "decrease"
    NO_EFFECT = "no_effect"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class PartComparison:
    """The effect in one part of a breakdown; the intervals of all parts of one dimension are valid simultaneously."""

    dimension: str
    value: str
    treated_customers: int
    control_customers: int
    treated: float
    control: float
    effect: ConfidenceInterval
    total: ConfidenceInterval


@dataclass(frozen=True)
class GroupFigures:
    """The totals of one group."""

    customers: int = 0
    reached: int = 0
    buyers: int = 0
    orders: int = 0
    revenue: float = 0.0
    margin: float | None = None
    clicked: int = 0
    orders_after_click: int = 0
    revenue_after_click: float = 0.0

    @property
    def conversion_rate(self) -> float | None:
        return self.reached / self.customers if self.customers else None


@dataclass(frozen=True)
class GroupComparison:
    """The treated customers against the control group.

    ``conversion``, ``orders``, ``revenue`` and ``margin`` are None without two groups of at least two customers, ``margin`` also if too few
    costs are known. has_holdout: whether a share of the customers is held out, even if nobody is in the control group yet.
    """

    as_of: datetime
    verdict: ComparisonVerdict
    is_final: bool
    final_at: datetime | None
    sample_ratio_p: float
    treated: GroupFigures
    control: GroupFigures
    margin_basis: MarginBasis = MarginBasis.NO_SALES
    conversion: MeasureComparison | None = None
    orders: MeasureComparison | None = None
    revenue: MeasureComparison | None = None
    margin: MeasureComparison | None = None
    guards: tuple[GuardComparison, ...] = ()
    detectability: Detectability | None = None
    parts: tuple[PartComparison, ...] = ()
    has_holdout: bool = False


def compare_groups(
    counted: CountedOutcomes,
    *,
    treated: str,
    control: str,
    holdout_share: float,
    timeline: Timeline,
    amounts: Mapping[str, Sequence[float]] | None = None,
    complaints: tuple[int, int] | None = None,
    level: float = LEVEL,
) -> GroupComparison:
    """Return the comparison of two groups.

    Args:
        holdout_share: the share of the control group in both.
        amounts: the revenues other than 0 by group, for the bootstrap.
        complaints: of the treated customers, and messages sent; None if the treatment is not a message that this system sends.
    """
    first, second = counted.get_group(treated), counted.get_group(control)
    ratio = compute_sample_ratio_p((first.customers, second.customers), (1 - holdout_share, holdout_share))
    figures, other_figures = (build_figures(group, counted.margin_basis) for group in (first, second))
    if min(first.customers, second.customers) < 2:
        return GroupComparison(
            timeline.as_of,
            ComparisonVerdict.NO_HOLDOUT,
            timeline.is_final,
            timeline.planned_end if timeline.ends else None,
            ratio,
            figures,
            other_figures,
            counted.margin_basis,
            has_holdout=holdout_share > 0,
        )
    compare = MeasureComparer(first, second, timeline, level)
    revenue = compare.compare(
        OutcomeColumn.REVENUE, amounts=(amounts or {}).get(treated, ()), other_amounts=(amounts or {}).get(control, ())
    )
    has_margin = counted.margin_basis in (MarginBasis.COSTS, MarginBasis.SETTING)
    detectability = compute_detectability(
        standard_error=revenue.standard_error, control_mean=revenue.control, treated=first.customers, timeline=timeline
    )
    return GroupComparison(
        as_of=timeline.as_of,
        verdict=choose_verdict(revenue, ratio),
        is_final=timeline.is_final,
        final_at=timeline.planned_end if timeline.ends else None,
        sample_ratio_p=ratio,
        treated=figures,
        control=other_figures,
        margin_basis=counted.margin_basis,
        conversion=compare.compare_conversion(),
        orders=compare.compare(OutcomeColumn.ORDERS),
        revenue=revenue,
        margin=compare.compare(OutcomeColumn.MARGIN) if has_margin else None,
        guards=compare_guards(first, second, complaints=complaints, timeline=timeline, level=level),
        detectability=detectability,
        parts=compare_parts(counted, treated=treated, control=control, timeline=timeline, level=level),
        has_holdout=True,
    )


def build_figures(group: GroupOutcomes, basis: MarginBasis) -> GroupFigures:
    has_margin = basis in (MarginBasis.COSTS, MarginBasis.SETTING)
    return GroupFigures(
        customers=group.customers,
        reached=group.reached,
        buyers=group.buyers,
        orders=group.orders,
        revenue=group.revenue,
        margin=group.get_sum(OutcomeColumn.MARGIN) if has_margin else None,
        clicked=group.clicked,
        orders_after_click=group.orders_after_click,
        revenue_after_click=group.revenue_after_click,
    )


def choose_verdict(revenue: MeasureComparison, ratio: float) -> ComparisonVerdict:
    """Return what the revenue says. The groups are checked first: with uneven groups, a difference says nothing about the effect."""
    if ratio < SUSPICIOUS:
        return ComparisonVerdict.UNEVEN_GROUPS
    effect = revenue.effect
    if effect.low > 0:
        return ComparisonVerdict.INCREASE
    if effect.high < 0:
        return ComparisonVerdict.DECREASE
    relevant = RELEVANT_LIFT * revenue.control
    if relevant > 0 and effect.high < relevant and effect.low > -relevant:
        return ComparisonVerdict.NO_EFFECT
    return ComparisonVerdict.TOO_FEW


def compare_parts(
    counted: CountedOutcomes, *, treated: str, control: str, timeline: Timeline, level: float
) -> tuple[PartComparison, ...]:
    """Return the effect on the revenue in every part with enough customers, by dimension.

    A part is named "dimension:value". The level of each interval is such that all of one dimension are valid simultaneously at ``level``.
    """
    by_dimension: dict[str, list[tuple[str, GroupOutcomes, GroupOutcomes]]] = {}
    for part in counted.parts:
        dimension, _colon, value = part.partition(":")
        groups = counted.get_group(treated, part), counted.get_group(control, part)
        if part != WHOLE and value and min(group.customers for group in groups) >= MIN_PART:
            by_dimension.setdefault(dimension, []).append((value, *groups))
    compared = []
    for dimension, parts in by_dimension.items():
        simultaneous = compute_simultaneous_level(level, len(parts))
        for value, first, second in parts:
            revenue = MeasureComparer(first, second, timeline, simultaneous).compare(OutcomeColumn.REVENUE)
            if keep_known(revenue.effect):
                compared.append(
                    PartComparison(
                        dimension,
                        value,
                        first.customers,
                        second.customers,
                        revenue.treated,
                        revenue.control,
                        revenue.effect,
                        revenue.total,
                    )
                )
    return tuple(compared)
