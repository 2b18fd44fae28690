"""What a propensity foretells, for whom, and at which moments in the past it can be learnt without looking ahead."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, Orders
from customers.lifecycle.scoring.stages.order_gaps import measure_gaps

PURCHASE_DAYS = (7, 30, 90)
SHORTEST_CHURN_DAYS, LONGEST_CHURN_DAYS = 7, 365
LEAST_HISTORY_DAYS = 56
MOST_CUTS = 6
WEEK = 7
LAPSED_HORIZONS = 2.0  # whoever hasn't ordered for twice the horizon has churned already: the stages' rule


@dataclass(frozen=True)
class Target:
    """`churn`: no order in the `horizon_days` from the cut; `purchase`: at least one."""

    kind: Literal["churn", "purchase"]
    horizon_days: int

    @property
    def name(self) -> str:
        return self.kind if self.kind == "churn" else f"{self.kind}_{self.horizon_days}"


@dataclass(frozen=True)
class Cuts:
    """Moments in microseconds, latest first. Every label window of `train` ends before `validation` begins, and that of
    `validation` and all of `every` ends before `test` begins. `train` is empty where history is too short for that: then the
    candidates are judged by customers they have not seen, at the cuts of `every`. Without any cut `every` is empty."""

    test: int
    validation: int | None
    train: tuple[int, ...]
    every: tuple[int, ...]


def plan_cuts(
    *,
    began_at: int,
    test_at: int,
    horizon_days: int,
    least_history_days: int = LEAST_HISTORY_DAYS,
    most: int = MOST_CUTS,
    step_days: int | None = None,
) -> Cuts:
    """Cuts before `test_at`, whole weeks apart, so that weekdays are the same at all of them.

    began_at: the moment of the first order. The latest cut is the horizon, rounded up to weeks, before the test; the others follow
    `step_days` apart, half the horizon in whole weeks by default, as long as `least_history_days` lie before them.
    Errors: ValueError for a horizon, number or step that is not above 0.
    """
    step_days = max(WEEK, _weeks(horizon_days / 2)) if step_days is None else step_days
    for name, value in {"horizon_days": horizon_days, "most": most, "step_days": step_days}.items():
        if value <= 0:
            raise ValueError(f"{name} must be greater than 0, got {value}")
    reach = _weeks(horizon_days) * DAY
    earliest = began_at + least_history_days * DAY

    def back_from(latest: int) -> tuple[int, ...]:
        cuts = (latest - place * step_days * DAY for place in range(most))
        return tuple(cut for cut in cuts if cut >= earliest)

    every = back_from(test_at - reach)
    train = back_from(every[0] - reach) if every else ()
    return Cuts(test_at, every[0] if every else None, train, every)


def churn_target(*, orders: Orders, as_of: int) -> Target:
    """The horizon of churn: the 90 % quantile of the gaps between orders before the moment (see `gaps`), in whole days from 7 to
    365. With fewer than 30 gaps it is that of a monthly rhythm."""
    counted = ~orders.is_return & (orders.at < as_of)
    gaps = measure_gaps(customer=orders.customer()[counted], at=orders.at[counted])
    days = int(np.ceil(gaps.dormant_gap_days))
    return Target("churn", int(np.clip(days, SHORTEST_CHURN_DAYS, LONGEST_CHURN_DAYS)))


def ordered_within(*, orders: Orders, as_of: int, horizon_days: float) -> Flags:
    """Whether each customer orders in [as_of, as_of + horizon), shape (n,)."""
    counted = ~orders.is_return & _window(orders, as_of, horizon_days)
    return np.bincount(orders.customer()[counted], minlength=orders.n_customers) > 0


def spend_within(*, orders: Orders, as_of: int, horizon_days: float) -> Floats:
    """What each customer spends in [as_of, as_of + horizon), net of returns, shape (n,)."""
    counted = _window(orders, as_of, horizon_days)
    paid = np.where(orders.is_return, -orders.value, orders.value)
    return np.bincount(orders.customer()[counted], paid[counted], minlength=orders.n_customers)


def label(*, orders: Orders, target: Target, as_of: int) -> Flags:
    """What came true for each customer, shape (n,)."""
    bought = ordered_within(orders=orders, as_of=as_of, horizon_days=target.horizon_days)
    return ~bought if target.kind == "churn" else bought


def eligible(*, orders: Orders, target: Target, as_of: int) -> Ints:
    """The customers a target speaks about: those who have ordered, and for churn within the last two horizons, ascending."""
    counted = ~orders.is_return & (orders.at < as_of)
    last = np.full(orders.n_customers, np.iinfo(np.int64).min)
    last[orders.customer()[counted]] = orders.at[counted]  # ascending, so that the last one stays
    since = as_of - LAPSED_HORIZONS * target.horizon_days * DAY if target.kind == "churn" else np.iinfo(np.int64).min
    return np.flatnonzero(last > since)


def _window(orders: Orders, as_of: int, horizon_days: float) -> Flags:
    within: Flags = (orders.at >= as_of) & (orders.at < as_of + horizon_days * DAY)
    return within


def _weeks(days: float) -> int:
    return int(np.ceil(days / WEEK)) * WEEK
