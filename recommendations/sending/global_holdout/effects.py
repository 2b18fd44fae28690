"""What marketing caused in a month or in total: the effects of a stored result, with intervals that suit how often it is looked at."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil, isnan
from statistics import NormalDist

from config.foundation.statistics import ConfidenceInterval
from recommendations.measurement.outcomes.columns import COVARIATES, OutcomeColumn
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.statistics.cuped import AdjustedComparison, compare_adjusted_means
from recommendations.measurement.statistics.power import ALPHA, POWER
from recommendations.measurement.statistics.relative_lift import compare_relative_means
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS, compute_sample_ratio_p
from recommendations.measurement.statistics.sequential import compute_always_valid_interval
from recommendations.sending.global_holdout.measuring import StoredGroup, read_group
from recommendations.sending.global_holdout.members import HOLDOUT, MARKETING
from recommendations.sending.models import GlobalHoldoutResult

LEVEL = 0.95
TOTAL_DURATION = timedelta(days=365)  # for which the always-valid interval of the total is planned
MIN_BUYERS = 10  # in each group; with fewer, the interval of an adjusted mean is too narrow
TARGET_LIFT = 0.05  # the effect on revenue for which the necessary time is stated
UNKNOWN_MARGINS = (MarginBasis.UNKNOWN, MarginBasis.NO_SALES)


@dataclass(frozen=True)
class MeasureEffect:
    """The effect on one measure.

    Attributes:
        per_customer: the adjusted difference of the means. total: for all customers with marketing. cost: for the holdout group, what
            it would have brought if it had got marketing. relative: to the holdout group, .1 for 10% more.
        variance_ratio: the variance of the adjusted difference, relative to the unadjusted one.
    """

    per_customer: ConfidenceInterval
    total: ConfidenceInterval
    cost: ConfidenceInterval
    relative: ConfidenceInterval
    variance_ratio: float


@dataclass(frozen=True)
class HoldoutEffect:
    """What marketing caused in one window.

    Attributes:
        month: None for the whole time. is_running: it has not ended.
        verdict: "uneven_groups", "too_few", "increase", "decrease" or "unclear", by revenue.
        detectable: the relative effect on revenue that such a window detects with 80% power. needed_months, needed_customers: to detect
            TARGET_LIFT with these groups, or within one month; all None with too few buyers.
    """

    month: date | None
    began_at: datetime
    since: datetime
    until: datetime
    measured_at: datetime
    currency: str
    is_running: bool
    verdict: str
    sample_ratio_p: float
    marketing: StoredGroup
    holdout: StoredGroup
    conversion: MeasureEffect | None = None
    orders: MeasureEffect | None = None
    revenue: MeasureEffect | None = None
    margin: MeasureEffect | None = None
    detectable: float | None = None
    needed_months: int | None = None
    needed_customers: int | None = None


def compute_effect(result: GlobalHoldoutResult) -> HoldoutEffect:
    """Return the effects of a stored result.

    A complete month is looked at once: Welch's interval of the adjusted difference. The current month and the whole time are looked
    at again and again: always-valid intervals.
    """
    marketing, holdout = read_group(result.groups[MARKETING]), read_group(result.groups[HOLDOUT])
    ratio = compute_sample_ratio_p(
        (marketing.moments.n, holdout.moments.n), (result.shares[MARKETING], result.shares[HOLDOUT])
    )
    is_running = result.month is None or result.measured_at < result.until
    effects = {} if has_too_few(marketing, holdout) else compute_measures(result, marketing, holdout, is_running)
    revenue = effects.get("revenue")
    needs = compute_needs(result, revenue, marketing, holdout) if revenue else (None, None, None)
    return HoldoutEffect(
        month=result.month,
        began_at=result.began_at,
        since=result.since,
        until=result.until,
        measured_at=result.measured_at,
        currency=result.currency,
        is_running=is_running,
        verdict=choose_verdict(ratio, revenue[0] if revenue else None),
        sample_ratio_p=ratio,
        marketing=marketing,
        holdout=holdout,
        **{name: effect for name, (effect, _comparison) in effects.items()},
        detectable=needs[0],
        needed_months=needs[1],
        needed_customers=needs[2],
    )


def has_too_few(*groups: StoredGroup) -> bool:
    return min(float(group.moments.sums[OutcomeColumn.ORDERED]) for group in groups) < MIN_BUYERS


def compute_measures(
    result: GlobalHoldoutResult, marketing: StoredGroup, holdout: StoredGroup, is_running: bool
) -> dict[str, tuple[MeasureEffect, AdjustedComparison]]:
    columns = {
        "conversion": OutcomeColumn.ORDERED,
        "orders": OutcomeColumn.ORDERS,
        "revenue": OutcomeColumn.REVENUE,
        "margin": OutcomeColumn.MARGIN,
    }
    if result.margin_basis in UNKNOWN_MARGINS:
        columns.pop("margin")
    fraction = compute_fraction(result) if is_running else None
    effects = {}
    for name, column in columns.items():
        comparison = compare_adjusted_means(
            marketing.moments, holdout.moments, outcome=column, covariates=COVARIATES, level=LEVEL
        )
        effects[name] = build_effect(comparison, marketing.moments.n, holdout.moments.n, fraction), comparison
    return effects


def compute_fraction(result: GlobalHoldoutResult) -> float:
    """Return the elapsed share of the planned duration."""
    planned = TOTAL_DURATION if result.month is None else result.until - result.since
    elapsed = min(result.measured_at, result.until) - result.since
    return max(elapsed / planned, 1e-6)


def build_effect(comparison: AdjustedComparison, treated: int, held_out: int, fraction: float | None) -> MeasureEffect:
    interval = comparison.interval
    if fraction is not None:
        interval = compute_always_valid_interval(
            value=comparison.value, standard_error=comparison.standard_error, fraction=fraction, level=LEVEL
        )
    relative = compare_relative_means(
        comparison.value,
        comparison.standard_error,
        comparison.control_mean,
        comparison.control_standard_error,
        level=LEVEL,
    )
    return MeasureEffect(
        interval, scale(interval, treated), scale(interval, held_out), relative, comparison.variance_ratio
    )


def scale(interval: ConfidenceInterval, factor: float) -> ConfidenceInterval:
    return ConfidenceInterval(interval.value * factor, interval.low * factor, interval.high * factor)


def compute_needs(
    result: GlobalHoldoutResult,
    revenue: tuple[MeasureEffect, AdjustedComparison],
    marketing: StoredGroup,
    holdout: StoredGroup,
) -> tuple[float | None, int | None, int | None]:
    """Return the detectable relative effect, and the months and customers that it takes to detect TARGET_LIFT.

    The standard error falls with the square root of months and customers; months are about independent of each other once each customer's
    earlier revenue is adjusted for.
    """
    _effect, comparison = revenue
    if not comparison.control_mean > 0 or isnan(comparison.standard_error):
        return None, None, None
    normal = NormalDist()
    factor = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)
    detectable = factor * comparison.standard_error / comparison.control_mean
    ratio = (detectable / TARGET_LIFT) ** 2
    months = max((min(result.measured_at, result.until) - result.since) / timedelta(days=30.44), 0.1)
    return (
        detectable,
        ceil(months * ratio),
        ceil(months * ratio * (marketing.moments.n + holdout.moments.n)),
    )


def choose_verdict(ratio: float, revenue: MeasureEffect | None) -> str:
    if ratio < SUSPICIOUS:
        return "uneven_groups"
    if revenue is None:
        return "too_few"
    if revenue.per_customer.low > 0:
        return "increase"
    return "decrease" if revenue.per_customer.high < 0 else "unclear"
