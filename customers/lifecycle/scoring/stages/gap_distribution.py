"""Fits how long the gaps between a shop's days with orders are, and how much customers differ.

ln gap ~ N(own mean, within), own mean ~ N(main category's mean, between).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from config.foundation.array_types import AnyInts, Floats, Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.scoring.stages.gap_kernels import standardize_gaps
from customers.lifecycle.scoring.stages.order_gaps import DAY, DEFAULT_QUANTILES, MIN_GAPS, find_main_categories

PRIOR_WITHIN, PRIOR_BETWEEN = 0.6, 0.5  # of log gaps, in shops of very different rhythms
PRIOR_CASES = 10.0  # gaps of the default rhythm that a shop's own are mixed with, for a shop with almost no orders
CATEGORY_PRIOR_GAPS = 30.0  # gaps of the shop that a category's mean is shrunk with
MIN_VARIANCE = 0.05  # even the most regular customer is about a quarter of a gap early or late
ORDER_GAP_SHARE = 0.999
MIN_ORDER_GAP_DAYS = 2.0  # an import that runs once a day is not missing data


@dataclass(frozen=True)
class GapDistribution:
    """The population of log gaps in days.

    mean: of all gaps. within: variance of the log gaps of one customer. between: variance of the customers' means.
    tail_variance: the variance of the normal distribution with the same share of long gaps as the shop's customers have; gaps have heavier
    tails than normal logarithms, because rates drift. category_means: of the customers of a main category, by name.
    """

    mean: float
    within: float
    between: float
    tail_variance: float
    category_means: Mapping[str, float] = field(default_factory=dict)

    @property
    def shrinkage(self) -> float:
        """Return how many own gaps weigh as much as the category's mean."""
        return self.within / self.between


TAIL_SHARE = 0.025  # of the gaps, at which the tail is matched: about the share at which frequent buyers become at risk
TAIL_PRIOR_GAPS = 200.0  # gaps whose tail is that of a normal distribution, which a shop's own are mixed with
DEFAULT_DISTRIBUTION = GapDistribution(
    float(np.log(DEFAULT_QUANTILES.median_gap_days)), PRIOR_WITHIN, PRIOR_BETWEEN, PRIOR_WITHIN
)


def fit_gap_distribution(
    *, customer: Ints, at: Ints, clock: LocalClock, category: Ints | None = None, categories: Sequence[str] = ()
) -> GapDistribution:
    """Fit the distribution to completed gaps; the orders of one day are one visit.

    customer, at, category: shape (n,), one entry per order, sorted by customer and moment (microseconds); category −1 for none.
    clock: the shop's, whose midnights separate the days.
    The means are of gaps, not of customers: the few orders of occasional customers say little of how soon they would return, and
    the median of all gaps separates the stages better in shops where most customers order once. within is pooled over the
    customers with two or more gaps, between is the variance of the customers' means less that of their estimates (analysis of
    variance; Searle, Casella & McCulloch, Variance Components, 1992, 3.6). Only completed gaps count: S(t) describes the length of gaps
    that end; whether the current gap will end is what the stage expresses.
    """
    starts_day = np.ones(len(at), np.bool_)
    day = clock.count_days(at)
    starts_day[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
    row, day = customer[starts_day], day[starts_day]
    if len(row) < 2:
        return DEFAULT_DISTRIBUTION
    completed = row[1:] == row[:-1]
    logs = np.log(np.diff(day)[completed].astype(np.float64))
    owner = np.unique(row[1:][completed], return_inverse=True)[1]
    if not len(logs):
        return DEFAULT_DISTRIBUTION
    gaps, sums, squares = np.bincount(owner), np.bincount(owner, logs), np.bincount(owner, logs**2)
    mean = (float(sums.sum()) + PRIOR_CASES * DEFAULT_DISTRIBUTION.mean) / (len(logs) + PRIOR_CASES)
    own_mean = sums / gaps
    scatter = float(np.maximum(squares - sums * own_mean, 0.0).sum())
    within = (scatter + PRIOR_CASES * PRIOR_WITHIN) / (float(gaps.sum()) - len(gaps) + PRIOR_CASES)
    main = np.full(len(gaps), -1, np.int64)
    if category is not None and len(categories):
        main = _find_main_categories(customer, category, np.unique(row[1:][completed]), len(categories))
    within = max(within, MIN_VARIANCE)
    between = _estimate_between(own_mean, within / gaps, main)
    means = _fit_category_means(gaps, sums, main, mean, categories)
    prior_mean = np.array([*(means.get(name, mean) for name in categories), mean])[main]
    deviations = standardize_gaps(owner, logs, prior_mean[owner], within / between)
    return GapDistribution(mean, within, between, _estimate_tail_variance(deviations, within), means)


def measure_order_gap(*, at: Ints) -> float | None:
    """Return the 99.9 % quantile of the gaps between consecutive orders of the whole shop in days, at least two.

    at: shape (n,), the moments of all orders, in any order. Return None with fewer than 30 gaps.
    """
    gaps = np.diff(np.sort(at))
    gaps = gaps[gaps > 0]
    if len(gaps) < MIN_GAPS:
        return None
    return max(float(np.quantile(gaps, ORDER_GAP_SHARE)) / DAY, MIN_ORDER_GAP_DAYS)


def _find_main_categories(customer: Ints, category: Ints, selected: Ints, n_categories: int) -> Ints:
    """Return the main category of the selected customers."""
    ids, rows = np.unique(customer, return_inverse=True)
    main = find_main_categories(customer=rows, category=category, n_customers=len(ids), n_categories=n_categories)
    return main[np.searchsorted(ids, selected)]


def _estimate_between(own_mean: Floats, error: Floats, main: Ints) -> float:
    """Return the variance of the customers' means around those of their category. error: the variance of each estimate."""
    group = main + 1
    customers = np.bincount(group)
    group_mean = np.bincount(group, own_mean) / np.maximum(customers, 1)
    excess = float(((own_mean - group_mean[group]) ** 2 - error * (1.0 - 1.0 / customers[group])).sum())
    freedom = len(own_mean) - int((customers > 0).sum())
    return max((max(excess, 0.0) + PRIOR_CASES * PRIOR_BETWEEN) / (freedom + PRIOR_CASES), MIN_VARIANCE)


def _estimate_tail_variance(deviations: Floats, within: float) -> float:
    """Return the variance of the normal distribution whose tail is that of the deviations, mixed with ``within``."""
    matched = max(float(np.quantile(deviations, 1.0 - TAIL_SHARE)), 0.0) / NormalDist().inv_cdf(1.0 - TAIL_SHARE)
    return max(
        (len(deviations) * matched**2 + TAIL_PRIOR_GAPS * within) / (len(deviations) + TAIL_PRIOR_GAPS), MIN_VARIANCE
    )


def _fit_category_means(
    gaps: AnyInts, sums: Floats, main: Ints, mean: float, categories: Sequence[str]
) -> dict[str, float]:
    """Return the mean log gap of the customers of each category with enough gaps, shrunk to the shop's."""
    known = main >= 0
    number = np.bincount(main[known], gaps[known], minlength=len(categories))
    total = np.bincount(main[known], sums[known], minlength=len(categories))
    means = (total + CATEGORY_PRIOR_GAPS * mean) / (number + CATEGORY_PRIOR_GAPS)
    return {name: float(means[index]) for index, name in enumerate(categories) if number[index] >= MIN_GAPS}
