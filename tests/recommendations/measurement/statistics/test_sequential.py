"""Intervals that may be looked at every day."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recommendations.measurement.statistics.sequential import (
    LOOKS,
    compute_always_valid_interval,
    compute_critical_value,
)
from recommendations.measurement.timeline import Timeline


def simulate_customers(campaigns: int, customers: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return differences and standard errors of 90 daily looks at campaigns without an effect, both (campaigns, 90).

    Every customer is assigned on the first day and keeps a rate of orders, so that differences of the groups persist.
    """
    rng = np.random.default_rng(seed)
    values, errors = np.empty((campaigns, LOOKS)), np.empty((campaigns, LOOKS))
    for campaign in range(campaigns):
        rates = rng.gamma(0.8, 0.02, customers)
        orders = np.cumsum(rng.poisson(rates, (LOOKS, customers)), axis=0)
        treated = rng.random(customers) < 0.8
        groups = orders[:, treated], orders[:, ~treated]
        values[campaign] = groups[0].mean(axis=1) - groups[1].mean(axis=1)
        errors[campaign] = np.sqrt(sum(group.var(axis=1, ddof=1) / group.shape[1] for group in groups))
    return values, errors


def test_90_daily_looks_at_nothing_raise_few_false_alarms() -> None:
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.normal(size=(20_000, LOOKS)), axis=1) / np.sqrt(np.arange(1, LOOKS + 1))
    limits = np.array([compute_critical_value(look / LOOKS) for look in range(1, LOOKS + 1)])
    assert (np.abs(walks) > limits).any(axis=1).mean() == pytest.approx(0.045, abs=0.005)
    assert (np.abs(walks) > 1.96).any(axis=1).mean() == pytest.approx(
        0.36, abs=0.01
    )  # usual intervals, looked at daily


def test_arriving_customers_whose_orders_add_up_need_the_square_of_the_time() -> None:
    # the variance of the sum of the orders of everyone who has arrived grows with the square of the time
    rng = np.random.default_rng(3)
    times = np.arange(1, LOOKS + 1) / LOOKS
    steps = np.sqrt(np.diff(times**2, prepend=0))
    looks = np.abs(np.cumsum(rng.normal(size=(20_000, LOOKS)) * steps, axis=1) / times)
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def count_alarms(*, has_arrivals: bool) -> float:
        ends = [
            Timeline(
                start, start + timedelta(days=day), start + timedelta(days=LOOKS), False, has_arrivals=has_arrivals
            )
            for day in range(1, LOOKS + 1)
        ]
        limits = [compute_critical_value(timeline.fraction) for timeline in ends]
        return float((looks > limits).any(axis=1).mean())

    assert count_alarms(has_arrivals=True) < 0.05
    assert count_alarms(has_arrivals=False) > 0.065


def test_customers_with_habits_do_not_break_it() -> None:
    values, errors = simulate_customers(400, 500, seed=9)
    limits = np.array([compute_critical_value(look / LOOKS) for look in range(1, LOOKS + 1)])
    alarms = (np.abs(values) > limits * np.where(errors > 0, errors, np.inf)).any(axis=1)
    assert alarms.mean() <= 0.06


def test_the_interval_is_wide_at_first_and_not_much_wider_than_a_single_look_at_the_end() -> None:
    early = compute_always_valid_interval(value=1.0, standard_error=1.0, fraction=1 / LOOKS)
    late = compute_always_valid_interval(value=1.0, standard_error=1.0, fraction=1.0)
    assert early.low < -8
    assert (late.low, late.high) == (pytest.approx(1 - 2.535, abs=0.005), pytest.approx(1 + 2.535, abs=0.005))
    assert compute_critical_value(1.5) > compute_critical_value(1.0)
    assert compute_critical_value(1.0, 0.99) > compute_critical_value(1.0, 0.95)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction is 0"):
        compute_always_valid_interval(value=1.0, standard_error=1.0, fraction=0)
    with pytest.raises(ValueError, match="level is 1"):
        compute_always_valid_interval(value=1.0, standard_error=1.0, fraction=1, level=1.0)
    assert math.isnan(compute_always_valid_interval(value=1.0, standard_error=math.nan, fraction=1).low)
