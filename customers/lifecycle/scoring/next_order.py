"""Between which two days each customer's next order is to be expected, or why no date can be given."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from customers.lifecycle.scoring.repurchase import (
    LEAST_VARIANCE,
    TINY_DAYS,
    Expected,
    Floats,
    Ints,
    Repurchase,
    Rhythms,
    expected_gaps,
    learn_repurchase,
    measure_rhythms,
)

REASONS: tuple[str, ...] = ("", "never_ordered", "long_overdue", "left")
WINDOW, NEVER_ORDERED, LONG_OVERDUE, LEFT = range(4)

CATEGORY_SHRINKAGE = 20.0  # gaps of the shop that a category's own are mixed with
LEAST_SHRINKAGE, MOST_SHRINKAGE = 0.25, 50.0
FEWEST_REPEATED = 30  # gaps beyond the first of a customer, below it people are taken to differ as much as their own gaps do
OWN_SPREAD_FROM = 8.0  # gaps: how many of the usual spread a customer's own is mixed with
LONGEST_DAYS = 36_500.0
OVERDUE = 0.95
ALIVE = 0.2  # lifecycle.md: P(alive) below it is churned


@dataclass(frozen=True, eq=False)
class OrderRhythm:
    """What is usual in g categories and the last, (g + 1)th, for customers without one.

    usual: mean and variance of log gaps, the variance being that of one customer's gaps; and the share of orders followed by another.
    shrinkage: how many of a customer's gaps weigh as much as their category: variance within customers / variance between them.
    """

    usual: Repurchase
    shrinkage: float


@dataclass(frozen=True, eq=False)
class NextOrders:
    """Of n customers, shape (n,). Days are numbers of days since the midnight that `at` is counted from; −1 where there is a reason.

    earliest, likeliest, latest: int64, the 25 %, 50 % and 75 % quantile of the day of the next order, given that it has not come until
    as_of and that there is one. alive: the probability that there is one, 0 for those who never ordered. reason: int64, index of REASONS.
    """

    earliest: Ints
    likeliest: Ints
    latest: Ints
    alive: Floats
    reason: Ints


def learn_order_rhythm(*, rhythms: Rhythms, category: Ints, n_categories: int) -> OrderRhythm:
    """What is usual, from the gaps of all customers. category: shape (k,), of each customer of the rhythms, −1 for none.

    The shop's mean pulls each category's (as `learn_repurchase`), the category's each customer's by λ = W/B: W = Σ (ln gap − own
    mean)² / Σ (n − 1) within customers, B = (Σ n · (own mean − category's)² − K · W) / N between K customers with N gaps.
    Source: one-way random effects, Searle, Casella & McCulloch, Variance Components, 1992, ch. 3; λ is the weight of the BLUP.
    """
    place = np.where(category >= 0, category, n_categories)
    if len(place) and int(place.max()) > n_categories:
        raise ValueError(f"category must be below {n_categories}, got {int(place.max())}")
    usual = learn_repurchase(
        rhythms=rhythms, product=place, n_products=n_categories + 1, shrinkage=CATEGORY_SHRINKAGE
    )
    repeated = rhythms.gaps > 0
    gaps, logs, squares = rhythms.gaps[repeated], rhythms.log_gaps[repeated], rhythms.log_gap_squares[repeated]
    freedom = float((gaps - 1).sum())
    if freedom < FEWEST_REPEATED:
        return OrderRhythm(replace(usual, variance=np.maximum(usual.variance / 2, LEAST_VARIANCE)), 1.0)
    own = logs / gaps
    within = max(float(np.maximum(squares - gaps * own**2, 0.0).sum()) / freedom, LEAST_VARIANCE)
    apart = float((gaps * (own - usual.mean[place[repeated]]) ** 2).sum())
    between = (apart - len(gaps) * within) / float(gaps.sum())
    shrinkage = MOST_SHRINKAGE if between <= within / MOST_SHRINKAGE else max(within / between, LEAST_SHRINKAGE)
    return OrderRhythm(replace(usual, variance=np.full(n_categories + 1, within)), shrinkage)


def next_orders(
    *, customer: Ints, at: Floats, n_customers: int, as_of: float, category: Ints, n_categories: int
) -> NextOrders:
    """customer: shape (orders,), row 0…n−1 of each order; at: shape (orders,), days since some midnight; as_of: the same.

    category: shape (n,), the main category of each customer, −1 for none. Orders at or after as_of are left out.
    Errors: ValueError for rows or categories out of range.
    """
    if len(customer) and not (customer.min() >= 0 and customer.max() < n_customers):
        raise ValueError(f"customer must be 0…{n_customers - 1}, got {int(customer.min())}…{int(customer.max())}")
    if category.shape != (n_customers,):
        raise ValueError(f"category has shape {category.shape}; give one entry for each of {n_customers} customers")
    known = at < as_of
    rhythms = measure_rhythms(pair=customer[known], at=at[known], as_of=as_of)
    mine = category[rhythms.pair]
    rhythm = learn_order_rhythm(rhythms=rhythms, category=mine, n_categories=n_categories)
    found = windows(rhythms=rhythms, category=mine, rhythm=rhythm, as_of=as_of)
    nobody = np.full(n_customers, -1, np.int64)
    everyone = NextOrders(
        nobody, nobody.copy(), nobody.copy(), np.zeros(n_customers), np.full(n_customers, NEVER_ORDERED, np.int64)
    )
    for name in ("earliest", "likeliest", "latest", "alive", "reason"):
        getattr(everyone, name)[rhythms.pair] = getattr(found, name)
    return everyone


def windows(
    *, rhythms: Rhythms, category: Ints, rhythm: OrderRhythm, as_of: float, level: float = 0.5
) -> NextOrders:
    """The windows of the k customers of the rhythms that hold the next order with probability `level`, if there is one.

    With S = 1 − F of the customer's log-normal gaps and t days since the last order, the q quantile g of the gap solves
    S(g) = (1 − q) · S(t). alive = p·S(t) / (1 − p·F(t)). "left": alive < 0.2; "long_overdue": F(t) > 0.95, longer than 19 of
    20 gaps, so that any date would be a guess. Sources: as `repurchase_probability`.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    gap = order_gaps(rhythms=rhythms, category=category, rhythm=rhythm)
    waited = (np.log(np.maximum(rhythms.since, TINY_DAYS)) - gap.mean) / gap.spread
    log_survival = log_ndtr(-waited)
    survival = np.exp(log_survival)
    alive = gap.again * survival / (1.0 - gap.again * (1.0 - survival))
    reason = np.where(alive < ALIVE, LEFT, np.where(survival < 1.0 - OVERDUE, LONG_OVERDUE, WINDOW))
    last_day = np.floor(as_of - rhythms.since)
    today = np.floor(as_of)

    def day(share: float) -> Ints:
        length = gap.mean - gap.spread * ndtri_exp(log_survival + np.log1p(-share))
        after = np.rint(np.exp(np.minimum(length, np.log(LONGEST_DAYS))))
        found: Ints = np.where(reason == WINDOW, np.maximum(last_day + after, today), -1).astype(np.int64)
        return found

    return NextOrders(day(0.5 - level / 2), day(0.5), day(0.5 + level / 2), alive, reason.astype(np.int64))


def order_gaps(*, rhythms: Rhythms, category: Ints, rhythm: OrderRhythm) -> Expected:
    """As `expected_gaps`, with each customer's own spread where it is known: n − 1 degrees of their own to 8 of the usual."""
    place = np.where(category >= 0, category, len(rhythm.usual.mean) - 1)
    gap = expected_gaps(rhythms=rhythms, product=place, usual=rhythm.usual, shrinkage=rhythm.shrinkage)
    gaps = np.maximum(rhythms.gaps, 1.0)
    own = np.maximum(rhythms.log_gap_squares - rhythms.log_gaps**2 / gaps, 0.0)
    usual = rhythm.usual.variance[place]
    mixed = np.maximum((own + OWN_SPREAD_FROM * usual) / (gaps - 1.0 + OWN_SPREAD_FROM), LEAST_VARIANCE)
    return replace(gap, spread=gap.spread * np.sqrt(mixed / usual))
