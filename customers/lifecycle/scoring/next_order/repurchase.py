"""When a person buys the same product again: gaps between their purchases of it, pulled towards what is usual for the product."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES

LEAST_VARIANCE = 0.05  # of log gaps: the most regular buyer still comes about a quarter of a gap early or late
USUAL_VARIANCE = 1.0
TINY_DAYS = 1e-9


@dataclass(frozen=True, eq=False)
class Rhythms:
    """The purchases of k pairs of a person and a product; all arrays have shape (k,), sorted by pair.

    days: different days with a purchase, each counted 2^(−age / half-life). gaps: those of them that followed an earlier one.
    log_gaps, log_gap_squares: sums over the gaps of ln and ln² of their length in days, at least 1. number: of days, uncounted by
    age. since: days from the last purchase until as_of.
    """

    pair: Ints
    days: Floats
    gaps: Floats
    log_gaps: Floats
    log_gap_squares: Floats
    number: Ints
    since: Floats


@dataclass(frozen=True, eq=False)
class Repurchase:
    """What is usual for each of g products, shape (g,): mean and variance of log gaps, and the share of purchases that are followed
    by another one."""

    mean: Floats
    variance: Floats
    again: Floats


@dataclass(frozen=True, eq=False)
class Expected:
    """The next gap of k pairs, shape (k,): mean and standard deviation of its logarithm, and the probability that there is one."""

    mean: Floats
    spread: Floats
    again: Floats


def measure_rhythms(*, pair: Ints, at: Floats, as_of: float, half_life_days: float | None = None) -> Rhythms:
    """Purchases by pair, in any order. pair: shape (n,), a number for each person and product. at: shape (n,), days since some
    midnight; as_of: the same, the moment from which ages count.

    Purchases of one day are one. Errors: ValueError for arrays of different length or a half-life that is not above 0.
    """
    if pair.shape != at.shape:
        raise ValueError(f"pair has shape {pair.shape} and at {at.shape}; give one entry a purchase")
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
    place = np.cumsum(first) - 1
    again = ~first
    log_gap = np.zeros(len(pair))
    log_gap[1:] = np.log(np.where(again[1:], np.diff(day), 1.0))
    age = np.maximum(as_of - at, 0.0)
    counted = np.ones(len(pair)) if half_life_days is None else np.exp2(-age / half_life_days)

    def summed(values: Floats) -> Floats:
        return np.bincount(place, values, minlength=len(starts))

    return Rhythms(
        pair=pair[starts],
        days=summed(counted),
        gaps=summed(counted * again),
        log_gaps=summed(counted * log_gap),
        log_gap_squares=summed(counted * log_gap**2),
        number=np.bincount(place, minlength=len(starts)),
        since=age[np.roll(first, -1)],
    )


def learn_repurchase(*, rhythms: Rhythms, product: Ints, n_products: int, shrinkage: float) -> Repurchase:
    """What is usual for each product, from all people. product: shape (k,), below n_products.

    With n gaps of a product and λ `shrinkage`: mean = (Σ ln gap + λ · mean of all) / (n + λ), variance likewise around it, and
    again = (n + λ · again of all) / (days + λ), again of all = (gaps + 1) / (days + 2). The last purchase of a pair counts as one
    that nothing has followed yet, so `again` is rather low than high. A shop without any gap has the monthly rhythm of `gaps`.
    Source: empirical Bayes with conjugate priors, e.g. Gelman et al., Bayesian Data Analysis, 2013, 2.4–2.6.
    """
    require_positive("shrinkage", shrinkage)

    def by_product(values: Floats) -> Floats:
        return np.bincount(product, values, minlength=n_products)

    gaps, days = by_product(rhythms.gaps), by_product(rhythms.days)
    logs, squares = by_product(rhythms.log_gaps), by_product(rhythms.log_gap_squares)
    total = float(gaps.sum())
    mean_of_all, variance_of_all = float(np.log(DEFAULT_QUANTILES.median_gap_days)), USUAL_VARIANCE
    if total > 0:
        mean_of_all = float(logs.sum()) / total
        variance_of_all = max(float(squares.sum()) / total - mean_of_all**2, LEAST_VARIANCE)
    again_of_all = (total + 1.0) / (float(days.sum()) + 2.0)
    mean = (logs + shrinkage * mean_of_all) / (gaps + shrinkage)
    around = squares - 2.0 * mean * logs + gaps * mean**2
    variance = np.maximum((around + shrinkage * variance_of_all) / (gaps + shrinkage), LEAST_VARIANCE)
    again = (gaps + shrinkage * again_of_all) / (days + shrinkage)
    return Repurchase(mean, variance, again)


def expected_gaps(*, rhythms: Rhythms, product: Ints, usual: Repurchase, shrinkage: float) -> Expected:
    """What each pair's next gap is expected to be: the pair's own gaps pulled towards its product's.

    mean = (Σ ln gap + λ · product's) / (gaps + λ), again likewise per day with a purchase; the variance is the product's times
    1 + 1 / (gaps + λ) for what is not known about the mean.
    """
    require_positive("shrinkage", shrinkage)
    gaps = rhythms.gaps + shrinkage
    mean = (rhythms.log_gaps + shrinkage * usual.mean[product]) / gaps
    spread = np.sqrt(usual.variance[product] * (1.0 + 1.0 / gaps))
    again = (rhythms.gaps + shrinkage * usual.again[product]) / (rhythms.days + shrinkage)
    return Expected(mean, spread, again)


def repurchase_probability(
    *, rhythms: Rhythms, product: Ints, usual: Repurchase, horizon_days: float, shrinkage: float
) -> Floats:
    """The probability, shape (k,), that each pair's next purchase comes within `horizon_days` from as_of.

    p · (F(t + H) − F(t)) / (1 − p · F(t)), t the days since the last purchase. F is the log-normal distribution of gaps, its mean
    and p, the probability that there is a next purchase at all, those of `expected_gaps`, λ `shrinkage` purchases of the product.
    1 − p · F(t) is the probability that it has not come until now, so those who are long overdue are those who have left.
    Sources: log-normal renewal and shrinkage to the product, Bhagat et al., "Buy It Again", KDD 2018; a share that never returns,
    Boag, J. R. Stat. Soc. B 1949 (cure model).
    """
    require_positive("horizon_days", horizon_days)
    gap = expected_gaps(rhythms=rhythms, product=product, usual=usual, shrinkage=shrinkage)
    now = ndtr((np.log(np.maximum(rhythms.since, TINY_DAYS)) - gap.mean) / gap.spread)
    then = ndtr((np.log(rhythms.since + horizon_days) - gap.mean) / gap.spread)
    chance: Floats = gap.again * (then - now) / (1.0 - gap.again * now)
    return chance


def require_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be finite and greater than 0, got {value}")
