"""How often people order, how much they differ in that, and how likely each order is to be followed by another."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, log_ndtr

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.next_order.repurchase import (
    LEAST_VARIANCE,
    TINY_DAYS,
    Expected,
    Repurchase,
    Rhythms,
    expected_gaps,
)
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES

CATEGORY_PEOPLE = 20.0  # of the shop, that a category's own customers are mixed with
PRIOR_PEOPLE = 1.0  # of a monthly rhythm, for a shop of almost no orders
PRIOR_CASES, PRIOR_VARIANCE = 2.0, 0.5  # of log gaps, within customers and between them
USUAL_FOLLOW = (2.0, 1.0)  # Beta, from which a shop's own parts as far as its orders say
FOLLOW_WIDTH = 1.5  # of the logarithms of those two
OWN_SPREAD_FROM = 8.0  # gaps: how many of the usual spread a customer's own is mixed with
STEPS, FOLLOW_EVERY = 24, 4
LEARN_FROM = 100_000  # customers


@dataclass(frozen=True, eq=False)
class OrderRhythm:
    """What is usual. mean: (g + 1,), of log gaps of the customers of each category, the last for those without one.

    within, between: variance of log gaps of one customer, and of the means of customers of a category. follow: (a, b) of the Beta
    distribution, over customers, of the probability that an order is followed by another.
    """

    mean: Floats
    within: float
    between: float
    follow: tuple[float, float]

    @property
    def shrinkage(self) -> float:
        """How many gaps of one's own weigh as much as the category."""
        return self.within / self.between


def learn_order_rhythm(*, rhythms: Rhythms, category: Ints, n_categories: int) -> OrderRhythm:
    """From the gaps of all customers of the rhythms, the open ones too. category: shape (k,), of each customer, −1 for none.

    ln gap ~ N(m_i, W), m_i ~ N(category's, B); an order is followed with p_i ~ Beta(a, b). EM: an open gap of t days is one of
    n_i + w_i, w = p·S(t) / (1 − p·F(t)), with mean and variance of the normal distribution above ln t (so that those who take long are
    not left out, as they are when only completed gaps count); m_i is pulled towards the category by λ = W/B, each category towards
    the shop by 20 customers. (a, b) maximise Σ ln B(a+n, b)/B(a, b) + ln(1 − (a+n)/(a+b+n) · F(t)), for all n followed orders were
    followed. Learnt from at most 100,000 customers. Weak priors (two cases, one customer of a monthly rhythm) keep small shops sane.
    Sources: Laird & Ware, Biometrics 1982 (EM of random effects); Schmee & Hahn, Technometrics 1979 (censored normals); Fader, Hardie &
    Lee, Mark. Sci. 2005 (beta-geometric dropout).
    Errors: ValueError for a category out of range.
    """
    place = places(category, n_categories)
    some = np.arange(0, len(place), max(1, -(-len(place) // LEARN_FROM)))
    place, gaps = place[some], rhythms.gaps[some]
    logs, squares = rhythms.log_gaps[some], rhythms.log_gap_squares[some]
    waited = np.log(np.maximum(rhythms.since[some], TINY_DAYS))
    monthly = float(np.log(DEFAULT_QUANTILES.median_gap_days))
    start = (float(logs.sum()) + monthly) / (float(gaps.sum()) + 1.0)
    mean = np.full(n_categories + 1, start)
    within = between = PRIOR_VARIANCE
    follow = USUAL_FOLLOW
    for step in range(STEPS):
        pull = within / between
        expected = (logs + pull * mean[place]) / (gaps + pull)
        spread = np.sqrt(within * (1.0 + 1.0 / (gaps + pull)))
        z = (waited - expected) / spread
        log_survival = log_ndtr(-z)
        survival = np.exp(log_survival)
        if step % FOLLOW_EVERY == 0:
            follow = _learn_follow(gaps, 1.0 - survival, follow)
        again = (gaps + follow[0]) / (gaps + sum(follow))
        open_gap = again * survival / (1.0 - again * (1.0 - survival))
        mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_survival)
        longer = expected + spread * mills
        scatter = spread**2 * np.clip(1.0 + z * mills - mills**2, 0.0, 1.0)
        n = gaps + open_gap
        total, total_squares = logs + open_gap * longer, squares + open_gap * (scatter + longer**2)
        weight = n / (n + pull)
        sums = np.bincount(place, total / (n + pull), minlength=n_categories + 1)
        weights = np.bincount(place, weight, minlength=n_categories + 1)
        of_all = (float(sums.sum()) + PRIOR_PEOPLE * monthly) / (float(weights.sum()) + PRIOR_PEOPLE)
        mean = (sums + CATEGORY_PEOPLE * of_all) / (weights + CATEGORY_PEOPLE)
        own = (total + pull * mean[place]) / (n + pull)
        unsure = within / (n + pull)
        around = total_squares - 2.0 * own * total + n * own**2 + n * unsure
        there = np.where(gaps > 0, 1.0, open_gap)  # who has left after one order says nothing of how people differ
        apart = there * ((own - mean[place]) ** 2 + unsure)
        within = (float(around.sum()) + PRIOR_CASES * PRIOR_VARIANCE) / (float(n.sum()) + PRIOR_CASES)
        between = (float(apart.sum()) + PRIOR_CASES * PRIOR_VARIANCE) / (float(there.sum()) + PRIOR_CASES)
        within, between = max(within, LEAST_VARIANCE), max(between, LEAST_VARIANCE / 10)
    return OrderRhythm(mean, within, between, follow)


def order_gaps(*, rhythms: Rhythms, category: Ints, rhythm: OrderRhythm) -> Expected:
    """As `expected_gaps`, of customers: with their own spread where it is known, n − 1 degrees of their own to 8 of the usual, and
    again = (n + a) / (n + a + b), since all n orders but the last were followed."""
    place = places(category, len(rhythm.mean) - 1)
    usual = Repurchase(rhythm.mean, np.full(len(rhythm.mean), rhythm.within), np.zeros(len(rhythm.mean)))
    gap = expected_gaps(rhythms=rhythms, product=place, usual=usual, shrinkage=rhythm.shrinkage)
    gaps = np.maximum(rhythms.gaps, 1.0)
    own = np.maximum(rhythms.log_gap_squares - rhythms.log_gaps**2 / gaps, 0.0)
    mixed = np.maximum((own + OWN_SPREAD_FROM * rhythm.within) / (gaps - 1.0 + OWN_SPREAD_FROM), LEAST_VARIANCE)
    again = (rhythms.gaps + rhythm.follow[0]) / (rhythms.gaps + sum(rhythm.follow))
    return Expected(gap.mean, gap.spread * np.sqrt(mixed / rhythm.within), again)


def places(category: Ints, n_categories: int) -> Ints:
    """−1 becomes the last place. Errors: ValueError for a category out of range."""
    if len(category) and not (category.min() >= -1 and category.max() < n_categories):
        raise ValueError(f"category must be −1…{n_categories - 1}, got {int(category.min())}…{int(category.max())}")
    return np.where(category >= 0, category, n_categories)


def _learn_follow(gaps: Floats, come: Floats, start: tuple[float, float]) -> tuple[float, float]:
    """(a, b). come: F(t), how likely the open gap would have ended by now."""
    if not len(gaps):
        return start
    numbers, counts = np.unique(gaps, return_counts=True)
    usual = np.log(USUAL_FOLLOW)

    def cost(logs: Floats) -> float:
        a, b = np.exp(np.clip(logs, -7.0, 7.0))
        followed = float((counts * (betaln(a + numbers, b) - betaln(a, b))).sum())
        still = float(np.log1p(-(a + gaps) / (a + b + gaps) * come).sum())
        return -followed - still + float((((logs - usual) / FOLLOW_WIDTH) ** 2).sum()) / 2

    found = minimize(
        cost, np.log(start), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4 * len(gaps) ** 0.5}
    )
    a, b = np.exp(np.clip(found.x, -7.0, 7.0)).tolist()
    return a, b
