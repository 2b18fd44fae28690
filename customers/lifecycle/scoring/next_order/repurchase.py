"""Predicts when a customer buys the same product again.

The customer's own gaps are shrunk towards the product's.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES

MIN_VARIANCE = 0.05  # of log gaps: even the most regular customer is about a quarter of a gap early or late
DEFAULT_VARIANCE = 1.0
MIN_DAYS = 1e-9


@dataclass(frozen=True, eq=False)
class PurchaseRhythms:
    """The purchases of k pairs of a customer and a product.

    All arrays have shape (k,), sorted by pair.
    days: distinct days with a purchase, each weighted 2^(−age / half-life). gaps: those of them that followed an earlier one.
    log_gaps, log_gap_squares: sums over the gaps of ln and ln² of their length in days, at least 1. number: of days, not weighted
    by age. since: days from the last purchase until as_of.
    """

    pair: Ints
    days: Floats
    gaps: Floats
    log_gaps: Floats
    log_gap_squares: Floats
    number: Ints
    since: Floats


@dataclass(frozen=True, eq=False)
class ProductRhythms:
    """The population's rhythm for each of g products, shape (g,).

    mean, variance: of log gaps. again: the share of purchases that are followed by another one.
    """

    mean: Floats
    variance: Floats
    again: Floats


@dataclass(frozen=True, eq=False)
class ExpectedGaps:
    """The next gap of k pairs, shape (k,).

    mean, spread: mean and standard deviation of its logarithm. again: the probability that there is one.
    """

    mean: Floats
    spread: Floats
    again: Floats


def measure_rhythms(*, pair: Ints, at: Floats, as_of: float, half_life_days: float | None = None) -> PurchaseRhythms:
    """Summarize the purchases of each pair, given in any order.

    pair: shape (n,), a number for each customer and product. at: shape (n,), days since some midnight; as_of: the same unit, the
    moment from which ages count. Purchases of one day are one.
    Errors: ValueError for arrays of different length or a half-life that is not above 0.
    """
    if pair.shape != at.shape:
        raise ValueError(f"pair has shape {pair.shape} and at {at.shape}; pass one entry per purchase")
    if half_life_days is not None and not half_life_days > 0:
        raise ValueError(f"half_life_days must be greater than 0, got {half_life_days}")
    order = np.lexsort((at, pair))
    pair, at = pair[order], at[order]
    day = np.floor(at)
    last_of_day = np.ones(len(pair), np.bool_)
    last_of_day[:-1] = (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])
    pair, at, day = pair[last_of_day], at[last_of_day], day[last_of_day]
    first = np.ones(len(pair), np.bool_)
    first[1:] = pair[1:] != pair[:-1]
    starts = np.flatnonzero(first)
    pair_index = np.cumsum(first) - 1
    again = ~first
    # The difference before a pair's first purchase belongs to another pair; ln 1 = 0 removes it.
    log_gap = np.zeros(len(pair))
    log_gap[1:] = np.log(np.where(again[1:], np.diff(day), 1.0))
    age = np.maximum(as_of - at, 0.0)
    weight = np.ones(len(pair)) if half_life_days is None else np.exp2(-age / half_life_days)

    def sum_by_pair(values: Floats) -> Floats:
        return np.bincount(pair_index, values, minlength=len(starts))

    return PurchaseRhythms(
        pair=pair[starts],
        days=sum_by_pair(weight),
        gaps=sum_by_pair(weight * again),
        log_gaps=sum_by_pair(weight * log_gap),
        log_gap_squares=sum_by_pair(weight * log_gap**2),
        number=np.bincount(pair_index, minlength=len(starts)),
        since=age[np.roll(first, -1)],  # shifted by one, the flags mark the last purchase of each pair
    )


def fit_product_rhythms(
    *, rhythms: PurchaseRhythms, product: Ints, n_products: int, shrinkage: float
) -> ProductRhythms:
    """Fit the rhythm of each product to the purchases of all customers.

    product: shape (k,), below n_products.
    With n gaps of a product and λ `shrinkage`: mean = (Σ ln gap + λ · overall mean) / (n + λ), variance likewise around it, and
    again = (n + λ · overall again) / (days + λ), overall again = (gaps + 1) / (days + 2). The last purchase of a pair counts as one
    that nothing has followed yet, so `again` is low rather than high. A shop without any gap gets the monthly rhythm of
    `stages.order_gaps`. Source: empirical Bayes with conjugate priors, e.g. Gelman et al., Bayesian Data Analysis, 2013, 2.4–2.6.
    """
    require_positive("shrinkage", shrinkage)

    def sum_by_product(values: Floats) -> Floats:
        return np.bincount(product, values, minlength=n_products)

    gaps, days = sum_by_product(rhythms.gaps), sum_by_product(rhythms.days)
    logs, squares = sum_by_product(rhythms.log_gaps), sum_by_product(rhythms.log_gap_squares)
    total = float(gaps.sum())
    overall_mean, overall_variance = float(np.log(DEFAULT_QUANTILES.median_gap_days)), DEFAULT_VARIANCE
    if total > 0:
        overall_mean = float(logs.sum()) / total
        overall_variance = max(float(squares.sum()) / total - overall_mean**2, MIN_VARIANCE)
    overall_again = (total + 1.0) / (float(days.sum()) + 2.0)
    mean = (logs + shrinkage * overall_mean) / (gaps + shrinkage)
    # Σ (ln gap − mean)² from the sums
    squared_deviations = squares - 2.0 * mean * logs + gaps * mean**2
    variance = np.maximum((squared_deviations + shrinkage * overall_variance) / (gaps + shrinkage), MIN_VARIANCE)
    again = (gaps + shrinkage * overall_again) / (days + shrinkage)
    return ProductRhythms(mean, variance, again)


def predict_gaps(
    *, rhythms: PurchaseRhythms, product: Ints, population: ProductRhythms, shrinkage: float
) -> ExpectedGaps:
    """Predict each pair's next gap: the pair's own gaps shrunk towards its product's.

    mean = (Σ ln gap + λ · product's) / (gaps + λ), again likewise per day with a purchase; the variance is the product's times
    1 + 1 / (gaps + λ), for the uncertainty of the mean.
    """
    require_positive("shrinkage", shrinkage)
    weight = rhythms.gaps + shrinkage
    mean = (rhythms.log_gaps + shrinkage * population.mean[product]) / weight
    spread = np.sqrt(population.variance[product] * (1.0 + 1.0 / weight))
    again = (rhythms.gaps + shrinkage * population.again[product]) / (rhythms.days + shrinkage)
    return ExpectedGaps(mean, spread, again)


def predict_repurchase_probability(
    *, rhythms: PurchaseRhythms, product: Ints, population: ProductRhythms, horizon_days: float, shrinkage: float
) -> Floats:
    """Return the probability of each pair's next purchase within `horizon_days`, (k,).

    The horizon starts at as_of.
    p · (F(t + H) − F(t)) / (1 − p · F(t)), t the days since the last purchase. F is the log-normal distribution of gaps, its mean
    and p, the probability that there is a next purchase at all, those of `predict_gaps`, λ `shrinkage` purchases of the product.
    1 − p · F(t) is the probability that it has not happened until now, so customers who are long overdue have probably left.
    Sources: log-normal renewal and shrinkage to the product, Bhagat et al., "Buy It Again", KDD 2018; a share that never returns,
    Boag, J. R. Stat. Soc. B 1949 (cure model).
    """
    require_positive("horizon_days", horizon_days)
    gap = predict_gaps(rhythms=rhythms, product=product, population=population, shrinkage=shrinkage)
    ended_by_now = ndtr((np.log(np.maximum(rhythms.since, MIN_DAYS)) - gap.mean) / gap.spread)
    ended_by_horizon = ndtr((np.log(rhythms.since + horizon_days) - gap.mean) / gap.spread)
    probability: Floats = gap.again * (ended_by_horizon - ended_by_now) / (1.0 - gap.again * ended_by_now)
    return probability


def require_positive(name: str, value: float) -> None:
    """Raise ValueError unless the value is finite and greater than 0."""
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be finite and greater than 0, got {value}")
