"""Fits how often customers order and how much they differ.

It also fits how likely each order is to be followed by another.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, log_ndtr

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.next_order.repurchase import (
    MIN_DAYS,
    MIN_VARIANCE,
    ExpectedGaps,
    ProductRhythms,
    PurchaseRhythms,
    predict_gaps,
)
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES

CATEGORY_PRIOR_CUSTOMERS = 20.0  # customers of the shop that a category's mean is shrunk towards
SHOP_PRIOR_CUSTOMERS = 1.0  # pseudo-customers with a monthly rhythm, for a shop with almost no orders
PRIOR_CASES, PRIOR_VARIANCE = 2.0, 0.5  # of log gaps, within customers and between them
PRIOR_FOLLOW = (2.0, 1.0)  # (a, b) of the Beta prior of the follow probability
PRIOR_FOLLOW_WIDTH = 1.5  # standard deviation of the prior of ln a and ln b
SPREAD_PRIOR_GAPS = 8.0  # gaps of the population that a customer's own variance is shrunk with
EM_STEPS, FOLLOW_INTERVAL = 24, 4
MAX_FIT_CUSTOMERS = 100_000  # customers


@dataclass(frozen=True, eq=False)
class OrderRhythm:
    """The population's rhythm.

    mean: (g + 1,), mean log gap of the customers of each category, the last for those without one. within, between: variance of log
    gaps of one customer, and of the customers' means within a category. follow: (a, b) of the Beta distribution over customers
    of the probability that an order is followed by another.
    """

    mean: Floats
    within: float
    between: float
    follow: tuple[float, float]

    @property
    def shrinkage(self) -> float:
        """Return how many of a customer's own gaps weigh as much as the mean of the category."""
        return self.within / self.between


def fit_order_rhythm(*, rhythms: PurchaseRhythms, category: Ints, n_categories: int) -> OrderRhythm:
    """Fit the rhythm to the gaps of all customers, open ones included.

    category: shape (k,), of each customer, −1 for none.

    ln gap ~ N(m_i, W), m_i ~ N(category's mean, B); an order is followed with p_i ~ Beta(a, b). EM: an open gap of t days counts as
    n_i + w_i gaps, w = p·S(t) / (1 − p·F(t)), with mean and variance of the normal distribution above ln t (so that customers with long
    gaps are not left out, as they are when only completed gaps count); m_i is shrunk towards the category by λ = W/B, each
    category towards the shop by 20 customers. (a, b) maximize Σ ln B(a+n, b)/B(a, b) + ln(1 − (a+n)/(a+b+n) · F(t)), since the first n
    orders were all followed. Fitted to at most 100,000 customers. Weak priors (two cases, one customer of a monthly rhythm) keep
    small shops stable. Sources: Laird & Ware, Biometrics 1982 (EM of random effects); Schmee & Hahn, Technometrics 1979 (censored
    normals); Fader, Hardie & Lee, Mark. Sci. 2005 (beta-geometric dropout).
    Errors: ValueError for a category out of range.
    """
    index = index_categories(category, n_categories)
    rows = np.arange(0, len(index), max(1, -(-len(index) // MAX_FIT_CUSTOMERS)))
    index, gaps = index[rows], rhythms.gaps[rows]
    logs, squares = rhythms.log_gaps[rows], rhythms.log_gap_squares[rows]
    log_open_gap = np.log(np.maximum(rhythms.since[rows], MIN_DAYS))
    monthly = float(np.log(DEFAULT_QUANTILES.median_gap_days))
    start = (float(logs.sum()) + monthly) / (float(gaps.sum()) + 1.0)
    mean = np.full(n_categories + 1, start)
    within = between = PRIOR_VARIANCE
    follow = PRIOR_FOLLOW
    for step in range(EM_STEPS):
        shrinkage = within / between
        expected = (logs + shrinkage * mean[index]) / (gaps + shrinkage)
        spread = np.sqrt(within * (1.0 + 1.0 / (gaps + shrinkage)))
        z = (log_open_gap - expected) / spread
        log_survival = log_ndtr(-z)
        survival = np.exp(log_survival)
        # The inner optimization is the costly part and changes little from step to step.
        if step % FOLLOW_INTERVAL == 0:
            follow = _fit_follow(gaps, 1.0 - survival, follow)
        again = (gaps + follow[0]) / (gaps + sum(follow))
        open_gap = again * survival / (1.0 - again * (1.0 - survival))
        mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_survival)
        longer = expected + spread * mills
        scatter = spread**2 * np.clip(1.0 + z * mills - mills**2, 0.0, 1.0)
        n = gaps + open_gap
        total, total_squares = logs + open_gap * longer, squares + open_gap * (scatter + longer**2)
        weight = n / (n + shrinkage)
        sums = np.bincount(index, total / (n + shrinkage), minlength=n_categories + 1)
        weights = np.bincount(index, weight, minlength=n_categories + 1)
        shop_mean = (float(sums.sum()) + SHOP_PRIOR_CUSTOMERS * monthly) / (float(weights.sum()) + SHOP_PRIOR_CUSTOMERS)
        mean = (sums + CATEGORY_PRIOR_CUSTOMERS * shop_mean) / (weights + CATEGORY_PRIOR_CUSTOMERS)
        own_mean = (total + shrinkage * mean[index]) / (n + shrinkage)
        mean_variance = within / (n + shrinkage)
        within_squares = total_squares - 2.0 * own_mean * total + n * own_mean**2 + n * mean_variance
        # Customers who left after one order carry no information on how customers differ.
        customer_weight = np.where(gaps > 0, 1.0, open_gap)
        between_squares = customer_weight * ((own_mean - mean[index]) ** 2 + mean_variance)
        within = (float(within_squares.sum()) + PRIOR_CASES * PRIOR_VARIANCE) / (float(n.sum()) + PRIOR_CASES)
        between = (float(between_squares.sum()) + PRIOR_CASES * PRIOR_VARIANCE) / (
            float(customer_weight.sum()) + PRIOR_CASES
        )
        within, between = max(within, MIN_VARIANCE), max(between, MIN_VARIANCE / 10)
    return OrderRhythm(mean, within, between, follow)


def predict_order_gaps(*, rhythms: PurchaseRhythms, category: Ints, rhythm: OrderRhythm) -> ExpectedGaps:
    """Predict the next gap of each customer, as `predict_gaps` but with their own spread.

    The own variance has n − 1 degrees of freedom and is shrunk towards the population's with the weight of 8 gaps.
    again = (n + a) / (n + a + b), since n orders, all but the last, were followed.
    """
    index = index_categories(category, len(rhythm.mean) - 1)
    product_rhythms = ProductRhythms(rhythm.mean, np.full(len(rhythm.mean), rhythm.within), np.zeros(len(rhythm.mean)))
    expected = predict_gaps(rhythms=rhythms, product=index, population=product_rhythms, shrinkage=rhythm.shrinkage)
    gaps = np.maximum(rhythms.gaps, 1.0)
    own_squares = np.maximum(rhythms.log_gap_squares - rhythms.log_gaps**2 / gaps, 0.0)
    shrunk_variance = np.maximum(
        (own_squares + SPREAD_PRIOR_GAPS * rhythm.within) / (gaps - 1.0 + SPREAD_PRIOR_GAPS), MIN_VARIANCE
    )
    again = (rhythms.gaps + rhythm.follow[0]) / (rhythms.gaps + sum(rhythm.follow))
    return ExpectedGaps(expected.mean, expected.spread * np.sqrt(shrunk_variance / rhythm.within), again)


def index_categories(category: Ints, n_categories: int) -> Ints:
    """Replace −1 by the last index. Errors: ValueError for a category out of range."""
    if len(category) and not (category.min() >= -1 and category.max() < n_categories):
        raise ValueError(f"category must be in −1…{n_categories - 1}, got {int(category.min())}…{int(category.max())}")
    return np.where(category >= 0, category, n_categories)


def _fit_follow(gaps: Floats, ended: Floats, start: tuple[float, float]) -> tuple[float, float]:
    """Return (a, b) of the follow probability.

    ended: F(t), the probability that the open gap would have ended by now.
    """
    if not len(gaps):
        return start
    numbers, counts = np.unique(gaps, return_counts=True)
    prior = np.log(PRIOR_FOLLOW)

    def compute_cost(logs: Floats) -> float:
        a, b = np.exp(np.clip(logs, -7.0, 7.0))
        followed = float((counts * (betaln(a + numbers, b) - betaln(a, b))).sum())
        censored = float(np.log1p(-(a + gaps) / (a + b + gaps) * ended).sum())
        return -followed - censored + float((((logs - prior) / PRIOR_FOLLOW_WIDTH) ** 2).sum()) / 2

    result = minimize(
        compute_cost, np.log(start), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4 * len(gaps) ** 0.5}
    )
    a, b = np.exp(np.clip(result.x, -7.0, 7.0)).tolist()
    return a, b
