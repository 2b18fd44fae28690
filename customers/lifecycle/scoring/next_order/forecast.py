"""Between which two days each customer's next order is to be expected, or why no date can be given."""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.next_order.order_rhythm import OrderRhythm, learn_order_rhythm, order_gaps
from customers.lifecycle.scoring.next_order.repurchase import TINY_DAYS, Rhythms, measure_rhythms

REASONS: tuple[str, ...] = ("", "never_ordered", "long_overdue", "left", "too_uncertain")
WINDOW, NEVER_ORDERED, LONG_OVERDUE, LEFT, TOO_UNCERTAIN = range(5)

FARTHEST_DAYS = 36_500.0
WIDEST_DAYS = 365.0
OVERDUE = 0.95
ALIVE = 0.2  # lifecycle.md: P(alive) below it is churned


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


def windows(*, rhythms: Rhythms, category: Ints, rhythm: OrderRhythm, as_of: float, level: float = 0.5) -> NextOrders:
    """The windows of the k customers of the rhythms that hold the next order with probability `level`, if there is one.

    With S = 1 − F of the customer's log-normal gaps and t days since the last order, the q quantile g of the gap solves
    S(g) = (1 − q) · S(t). alive = p·S(t) / (1 − p·F(t)). "left": alive < 0.2; "long_overdue": F(t) > 0.95, longer than 19 of
    20 gaps, so that any date would be a guess; "too_uncertain": a window wider than a year. Sources: as `repurchase_probability`.
    Errors: ValueError for a level outside 0…1 or a category out of range.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    gap = order_gaps(rhythms=rhythms, category=category, rhythm=rhythm)
    waited = (np.log(np.maximum(rhythms.since, TINY_DAYS)) - gap.mean) / gap.spread
    log_survival = log_ndtr(-waited)
    survival = np.exp(log_survival)
    alive = gap.again * survival / (1.0 - gap.again * (1.0 - survival))
    last_day, today = np.floor(as_of - rhythms.since), np.floor(as_of)

    def gap_of(share: float) -> Floats:
        length = gap.mean - gap.spread * ndtri_exp(log_survival + np.log1p(-share))
        found: Floats = np.exp(np.minimum(length, np.log(FARTHEST_DAYS)))
        return found

    # whole days hold a half more at each end, so they are counted from within; a window of less than a day is the likeliest one
    early, middle, late = np.ceil(gap_of(0.5 - level / 2)), np.rint(gap_of(0.5)), np.floor(gap_of(0.5 + level / 2))
    earliest, likeliest, latest = (
        np.maximum(last_day + np.where(early > late, middle, length), today) for length in (early, middle, late)
    )
    reason = np.select(
        [alive < ALIVE, survival < 1.0 - OVERDUE, latest - earliest > WIDEST_DAYS],
        [LEFT, LONG_OVERDUE, TOO_UNCERTAIN],
        WINDOW,
    )

    def given(day: Floats) -> Ints:
        return np.where(reason == WINDOW, day, -1).astype(np.int64)

    return NextOrders(given(earliest), given(likeliest), given(latest), alive, reason.astype(np.int64))
