"""How well a fitted model describes what was bought: the three figures of the literature, as plain arrays to draw.

Source: Fader, Hardie & Lee, Marketing Science 2005, figures 1–3.
"""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import Model
from customers.lifecycle.scoring.clv.purchase_histories import DAY, Groups, purchase_days

MOST = 7
WEEK = 7


@dataclass(frozen=True, eq=False)
class Comparison:
    """at: 0 … 7, the last meaning so many or more, or the week's number from 1; actual and expected: of the same shape.
    customers: how many stand behind each entry."""

    at: Ints
    actual: Floats
    expected: Floats
    customers: Ints


def compare_repeats(*, model: Model, groups: Groups, most: int = MOST) -> Comparison:
    """Customers by their number of repeats until T. Expected: Σ over customers of P(X(T) = k)."""
    ages, of = np.unique(groups.age, return_inverse=True)
    number = np.bincount(of, groups.weight, minlength=len(ages))
    none, zero = np.zeros(1, np.int64), np.zeros(1)
    chance = float(model.alive(x=none, t_x=zero, age=zero)[0])  # of coming at all; below 1 in MBG/NBD only
    at_least = np.zeros(most + 2)
    for age, customers in zip(ages.tolist(), number.tolist(), strict=True):
        at_least[:-1] += customers * model.tails_if_alive(horizon=age, x=0, age=zero, most=most)[0]
    at_least[1:] *= chance
    actual = np.bincount(np.minimum(groups.x, most), groups.weight, minlength=most + 1)
    return Comparison(np.arange(most + 1), actual, -np.diff(at_least), actual.astype(np.int64))


def compare_weeks(
    *, model: Model, unit_days: float, customer: Ints, at: Ints, cut: int, as_of: int, offset: int = 0
) -> Comparison:
    """Cumulative repeat purchases by week from the first day there is until as_of, of those whose first came before `cut`.

    Expected: Σ over first days of their customers times E[X(t)], for a new customer. The weeks after `cut` are a forecast, where
    the model was fitted on what came before.
    """
    owner, day, first = purchase_days(customer=customer, at=at, as_of=as_of, offset=offset)
    starts = np.flatnonzero(first)
    joined = day[starts]
    begins = np.repeat(joined, np.diff(np.r_[starts, len(owner)]))
    known = begins < (cut - 1 + offset) // DAY + 1
    repeats = day[known & ~first]
    joined = joined[joined < (cut - 1 + offset) // DAY + 1]
    if not len(joined):
        return Comparison(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))
    origin = int(joined.min())
    last = int((as_of - 1 + offset) // DAY)
    weeks = np.arange(1, (last - origin + 1) // WEEK + 1)
    ends = origin + WEEK * weeks - 1  # the last day of each week
    first_days, number = np.unique(joined, return_counts=True)
    lengths = np.arange(last - origin + 1) / unit_days
    one = np.zeros(1, np.int64)
    expected_by = model.expected(horizon=lengths, x=one, t_x=np.zeros(1), age=np.zeros(1))[0]
    since = np.maximum(ends[:, None] - first_days[None, :], 0)
    return Comparison(
        at=weeks,
        actual=np.searchsorted(np.sort(repeats), ends, side="right").astype(np.float64),
        expected=expected_by[since] @ number.astype(np.float64),
        customers=np.searchsorted(np.sort(joined), ends, side="right").astype(np.int64),
    )


def compare_by_frequency(*, x: Ints, happened: Ints | Floats, expected: Floats, most: int = MOST) -> Comparison:
    """Mean purchases after the cut by the repeats x before it; all arrays of shape (n,). An x that nobody has is left out."""
    x = np.minimum(x, most)
    customers = np.bincount(x, minlength=most + 1)
    there = np.flatnonzero(customers)
    means = [np.bincount(x, values, minlength=most + 1)[there] / customers[there] for values in (happened, expected)]
    return Comparison(there, means[0], means[1], customers[there])
