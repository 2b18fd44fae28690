"""Compares a fitted purchase model with the actual purchases.

The three figures of the literature, as arrays to plot.
Source: Fader, Hardie & Lee, Marketing Science 2005, figures 1–3.
"""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups, list_purchase_days

MAX_REPEATS = 7
WEEK_DAYS = 7


@dataclass(frozen=True, eq=False)
class FitComparison:
    """Actual and expected values by bin.

    position: 0 … 7, the last meaning 7 or more, or the week's number from 1; actual, expected: of the same shape; customers: the
    number of customers in each bin.
    """

    position: Ints
    actual: Floats
    expected: Floats
    customers: Ints


def compare_repeats(*, model: PurchaseModel, groups: HistoryGroups, max_repeats: int = MAX_REPEATS) -> FitComparison:
    """Compare customers by their number of repeats until T.

    The expected number is the sum over customers of P(X(T) = k).
    """
    ages, age_of = np.unique(groups.age, return_inverse=True)
    customers_of_age = np.bincount(age_of, groups.weight, minlength=len(ages))
    no_repeats, zero = np.zeros(1, np.int64), np.zeros(1)
    # P(alive) after the first purchase; below 1 in MBG/NBD only.
    active_at_first = float(model.probability_alive(x=no_repeats, t_x=zero, age=zero)[0])
    at_least = np.zeros(max_repeats + 2)
    for age, customers in zip(ages.tolist(), customers_of_age.tolist(), strict=True):
        at_least[:-1] += (
            customers * model.purchase_tails_if_alive(horizon=age, x=0, age=zero, max_purchases=max_repeats)[0]
        )
    at_least[1:] *= active_at_first
    actual = np.bincount(np.minimum(groups.x, max_repeats), groups.weight, minlength=max_repeats + 1)
    return FitComparison(np.arange(max_repeats + 1), actual, -np.diff(at_least), actual.astype(np.int64))


def compare_weeks(
    *, model: PurchaseModel, unit_days: float, customer: Ints, at: Ints, cutoff: int, as_of: int, clock: LocalClock
) -> FitComparison:
    """Compare cumulative repeat purchases by week.

    Customers are those whose first purchase was before `cutoff`.
    Weeks count from the first day until as_of. Expected: Σ over first days of their customers times E[X(t)] of a new customer. The
    weeks after `cutoff` are a forecast if the model was fitted to earlier orders only.
    """
    owner, day, first = list_purchase_days(customer=customer, at=at, as_of=as_of, clock=clock)
    starts = np.flatnonzero(first)
    first_day_of = day[starts]
    begins = np.repeat(first_day_of, np.diff(np.r_[starts, len(owner)]))
    last_known = clock.get_day(cutoff - 1)
    known = begins <= last_known
    repeats = day[known & ~first]
    first_day_of = first_day_of[first_day_of <= last_known]
    if not len(first_day_of):
        return FitComparison(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))
    origin = int(first_day_of.min())
    last = clock.get_day(as_of - 1)
    weeks = np.arange(1, (last - origin + 1) // WEEK_DAYS + 1)
    ends = origin + WEEK_DAYS * weeks - 1  # the last day of each week
    first_days, customers_by_day = np.unique(first_day_of, return_counts=True)
    lengths = np.arange(last - origin + 1) / unit_days
    no_repeats = np.zeros(1, np.int64)
    expected_by = model.expected_purchases(horizon=lengths, x=no_repeats, t_x=np.zeros(1), age=np.zeros(1))[0]
    since = np.maximum(ends[:, None] - first_days[None, :], 0)
    return FitComparison(
        position=weeks,
        actual=np.searchsorted(np.sort(repeats), ends, side="right").astype(np.float64),
        expected=expected_by[since] @ customers_by_day.astype(np.float64),
        customers=np.searchsorted(np.sort(first_day_of), ends, side="right").astype(np.int64),
    )


def compare_by_frequency(
    *, x: Ints, actual: Ints | Floats, expected: Floats, max_repeats: int = MAX_REPEATS
) -> FitComparison:
    """Compare mean purchases after the cutoff by the repeats x before it; arrays of shape (n,).

    Empty bins are left out.
    """
    x = np.minimum(x, max_repeats)
    customers = np.bincount(x, minlength=max_repeats + 1)
    filled = np.flatnonzero(customers)
    means = [
        np.bincount(x, values, minlength=max_repeats + 1)[filled] / customers[filled] for values in (actual, expected)
    ]
    return FitComparison(filled, means[0], means[1], customers[filled])
