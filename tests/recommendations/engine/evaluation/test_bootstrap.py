from collections.abc import Callable

import numpy as np
import pytest

from recommendations.engine.evaluation.bootstrap import MIN_USERS, UNIT, estimate_intervals

REPETITIONS = 400
type Draw = Callable[[np.random.Generator, int], np.ndarray]


def draw_figures(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw NDCG of users of whom one in ten has a hit."""
    return np.where(rng.random(n) < 0.1, rng.uniform(0.2, 1.0, n), 0.0)


def draw_differences(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw differences of two rankings that are equal for four users of five."""
    return np.where(rng.random(n) < 0.2, rng.uniform(-0.5, 0.7, n), 0.0)


def measure_coverage(draw: Draw, mean: float, n: int, bounds: tuple[float, float] | None) -> float:
    """Return the share of 95 % intervals that contain the mean."""
    rng = np.random.default_rng(7)
    intervals = [
        estimate_intervals(draw(rng, n)[:, None], seed=number, samples=500, bounds=bounds)[0]
        for number in range(REPETITIONS)
    ]
    return float(np.mean([interval.low <= mean <= interval.high for interval in intervals]))


@pytest.mark.parametrize("n", [10, 30, 60, 99])
def test_intervals_of_figures_contain_the_mean_as_often_as_they_state(n: int) -> None:
    assert measure_coverage(draw_figures, 0.06, n, UNIT) >= 0.93


@pytest.mark.parametrize("n", [MIN_USERS, 60, 99])
def test_intervals_of_differences_contain_the_mean_as_often_as_they_state(n: int) -> None:
    assert measure_coverage(draw_differences, 0.02, n, None) >= 0.93


def test_bootstrap_intervals_of_many_users_contain_the_mean() -> None:
    assert measure_coverage(draw_figures, 0.06, 300, UNIT) >= 0.93
    assert measure_coverage(draw_differences, 0.02, 300, None) >= 0.93


def test_intervals_of_shares_are_those_of_clopper_and_pearson() -> None:
    interval = estimate_intervals(np.repeat([1.0, 0.0], [3, 27])[:, None], seed=1, samples=20_000, bounds=UNIT)[0]
    assert (interval.low, interval.value, interval.high) == pytest.approx((0.0211, 0.1, 0.2653), abs=0.003)


def test_few_users_have_no_interval_of_values_without_bounds() -> None:
    few, enough = (estimate_intervals(np.linspace(-1, 1, n)[:, None], seed=0)[0] for n in (MIN_USERS - 1, MIN_USERS))
    assert few.value == pytest.approx(0)
    assert np.isnan([few.low, few.high]).all()
    assert enough.low < 0 < enough.high


def test_columns_with_other_missing_users_are_estimated_on_their_own() -> None:
    columns = np.array([[0.1, np.nan], [0.3, 0.4], [np.nan, 0.6]])
    first, second = estimate_intervals(columns, seed=0, bounds=UNIT)
    assert (first.value, second.value) == pytest.approx((0.2, 0.5))
    assert 0 <= first.low < 0.2 < first.high <= 1
