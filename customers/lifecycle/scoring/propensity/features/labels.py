"""Defines what a propensity predicts, and for which customers.

It also plans the past cutoffs at which it can be trained without leakage.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines
from customers.lifecycle.scoring.stages.order_gaps import measure_customer_gap, measure_gaps

PURCHASE_DAYS = (7, 30, 90)
MIN_CHURN_DAYS, MAX_CHURN_DAYS = 7, 365
MIN_HISTORY_DAYS = 56
MAX_CUTOFFS = 6
WEEK_DAYS = 7
YEAR_DAYS = 364  # whole weeks, so that weekdays are the same
MIN_LEVEL_SPACING_DAYS, MAX_LEVEL_PERIODS = 28, 4
CHURN_SHARE = 0.9  # of gaps that are shorter than the churn horizon
LAPSED_HORIZONS = 2.0  # a customer without an order for twice the horizon has churned already, as in the stages


@dataclass(frozen=True)
class PropensityTarget:
    """`churn`: no order in the `horizon_days` from the cutoff; `purchase`: at least one."""

    kind: Literal["churn", "purchase"]
    horizon_days: int

    @property
    def name(self) -> str:
        """Return the name, such as churn or purchase_30."""
        return self.kind if self.kind == "churn" else f"{self.kind}_{self.horizon_days}"


@dataclass(frozen=True)
class CutoffPlan:
    """Cutoffs in microseconds, latest first.

    Every label window of `train_cutoffs` ends before `validation_at`, and that of `validation_at` and all of `all_cutoffs` ends
    before `test_at`. `train_cutoffs` is empty where history is too short for that: then the candidates are evaluated on customers
    they have not seen, at `all_cutoffs`. Without any cutoff `all_cutoffs` is empty.
    """

    test_at: int
    validation_at: int | None
    train_cutoffs: tuple[int, ...]
    all_cutoffs: tuple[int, ...]


@dataclass(frozen=True)
class LevelPlan:
    """Moments at which the level of predictions is compared with the actual one, in microseconds.

    periods: of (cutoff, the train cutoffs whose outcomes were known at it, the moment a year before or None), latest first; the outcomes of
    each one were known at the one before it in this order. season_at: a year before the test.
    """

    periods: tuple[tuple[int, tuple[int, ...], int | None], ...]
    season_at: int | None

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """Return all moments, each once, latest first."""
        moments = {self.season_at} if self.season_at is not None else set()
        for cutoff, train_cutoffs, season_at in self.periods:
            moments |= {cutoff, *train_cutoffs} | ({season_at} if season_at is not None else set())
        return tuple(sorted(moments, reverse=True))


def plan_levels(*, began_at: int, test_at: int, horizon_days: int) -> LevelPlan:
    """Plan up to four periods before the test, at least four weeks apart, whose label windows don't overlap."""
    spacing = max(_round_up_to_weeks(horizon_days), MIN_LEVEL_SPACING_DAYS) * DAY

    def find_season(moment: int) -> int | None:
        season_at = moment - YEAR_DAYS * DAY
        is_known = season_at >= began_at + MIN_HISTORY_DAYS * DAY and horizon_days <= YEAR_DAYS
        return season_at if is_known else None

    latest = plan_cutoffs(began_at=began_at, test_at=test_at, horizon_days=horizon_days).validation_at
    periods = []
    for index in range(MAX_LEVEL_PERIODS):
        if latest is None:
            break
        cutoff = latest - index * spacing
        train_cutoffs = plan_cutoffs(began_at=began_at, test_at=cutoff, horizon_days=horizon_days).all_cutoffs
        if not train_cutoffs:
            break
        periods.append((cutoff, train_cutoffs, find_season(cutoff)))
    return LevelPlan(tuple(periods), find_season(test_at))


def plan_cutoffs(
    *,
    began_at: int,
    test_at: int,
    horizon_days: int,
    min_history_days: int = MIN_HISTORY_DAYS,
    max_cutoffs: int = MAX_CUTOFFS,
) -> CutoffPlan:
    """Plan the cutoffs before `test_at`, whole weeks apart.

    So weekdays are the same at all of them.
    began_at: the moment of the first order. The latest cutoff is the horizon, rounded up to weeks, before the test; the others follow
    half the horizon apart, in whole weeks, as long as `min_history_days` are before them.
    Errors: ValueError for a horizon or number that is not above 0.
    """
    for name, value in {"horizon_days": horizon_days, "max_cutoffs": max_cutoffs}.items():
        if value <= 0:
            raise ValueError(f"{name} must be greater than 0, got {value}")
    step_days = max(WEEK_DAYS, _round_up_to_weeks(horizon_days / 2))
    reach = _round_up_to_weeks(horizon_days) * DAY
    earliest = began_at + min_history_days * DAY

    def list_cutoffs(latest: int) -> tuple[int, ...]:
        cutoffs = (latest - index * step_days * DAY for index in range(max_cutoffs))
        return tuple(cutoff for cutoff in cutoffs if cutoff >= earliest)

    all_cutoffs = list_cutoffs(test_at - reach)
    train_cutoffs = list_cutoffs(all_cutoffs[0] - reach) if all_cutoffs else ()
    return CutoffPlan(test_at, all_cutoffs[0] if all_cutoffs else None, train_cutoffs, all_cutoffs)


def derive_churn_target(*, orders: OrderLines, as_of: int) -> PropensityTarget:
    """Derive the horizon of churn in days, from 7 to 365.

    It is the 90 % quantile of the gaps between orders before the moment, in which every customer counts the same: most gaps
    are those of the most frequent buyers, and by their rhythm everyone else would churn between two orders. Where the history is too
    short to train and evaluate such a horizon, it is as long as the history allows, but not below the quantile of all gaps. With fewer
    than 30 gaps it is that of a monthly rhythm (see `stages.order_gaps`).
    """
    is_counted = ~orders.is_return & (orders.at < as_of)
    customer, at = orders.get_line_customers()[is_counted], orders.at[is_counted]
    gaps = measure_gaps(customer=customer, at=at)
    began_at = int(at.min()) if len(at) else as_of
    longest = (as_of - began_at) / DAY / 2 - MIN_HISTORY_DAYS / 2
    by_customer = measure_customer_gap(customer=customer, at=at, share=CHURN_SHARE)
    horizon = max(gaps.dormant_gap_days, min(by_customer, longest // WEEK_DAYS * WEEK_DAYS))
    return PropensityTarget("churn", int(np.clip(np.ceil(horizon), MIN_CHURN_DAYS, MAX_CHURN_DAYS)))


def has_ordered_within(*, orders: OrderLines, as_of: int, horizon_days: float) -> Flags:
    """Return whether each customer orders in [as_of, as_of + horizon), shape (n,)."""
    is_counted = ~orders.is_return & _is_within(orders, as_of, horizon_days)
    return np.bincount(orders.get_line_customers()[is_counted], minlength=orders.n_customers) > 0


def sum_spend_within(*, orders: OrderLines, as_of: int, horizon_days: float) -> Floats:
    """Return each customer's spend in [as_of, as_of + horizon), net of returns, shape (n,)."""
    is_counted = _is_within(orders, as_of, horizon_days)
    paid = np.where(orders.is_return, -orders.value, orders.value)
    return np.bincount(orders.get_line_customers()[is_counted], paid[is_counted], minlength=orders.n_customers)


def label_customers(*, orders: OrderLines, target: PropensityTarget, as_of: int) -> Flags:
    """Return the actual outcome of each customer, shape (n,)."""
    bought = has_ordered_within(orders=orders, as_of=as_of, horizon_days=target.horizon_days)
    return ~bought if target.kind == "churn" else bought


def find_eligible_customers(*, orders: OrderLines, target: PropensityTarget, as_of: int) -> Ints:
    """Return the customers a target applies to, ascending.

    They have ordered, for churn within two horizons.
    """
    is_counted = ~orders.is_return & (orders.at < as_of)
    last = np.full(orders.n_customers, np.iinfo(np.int64).min)
    last[orders.get_line_customers()[is_counted]] = orders.at[
        is_counted
    ]  # by ascending moment, so the last assignment stays
    since = as_of - LAPSED_HORIZONS * target.horizon_days * DAY if target.kind == "churn" else np.iinfo(np.int64).min
    return np.flatnonzero(last > since)


def _is_within(orders: OrderLines, as_of: int, horizon_days: float) -> Flags:
    """Return whether each line is in the window."""
    within: Flags = (orders.at >= as_of) & (orders.at < as_of + horizon_days * DAY)
    return within


def _round_up_to_weeks(days: float) -> int:
    """Return days rounded up to whole weeks."""
    return int(np.ceil(days / WEEK_DAYS)) * WEEK_DAYS
