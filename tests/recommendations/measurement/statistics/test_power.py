"""The minimum detectable effect and the power of a test."""

import numpy as np
import pytest

from config.foundation.statistics import compute_newcombe_bounds
from recommendations.measurement.statistics.power import (
    approximate_power,
    compute_minimum_detectable_effect,
    compute_power,
)


@pytest.mark.parametrize(
    ("rate", "treated", "held_out"), [(0.05, 9000, 1000), (0.02, 450, 50), (0.3, 60, 60), (0.03, 900_000, 100_000)]
)
def test_simulated_campaigns_show_the_effect_in_80_percent_of_cases(rate: float, treated: int, held_out: int) -> None:
    effect = compute_minimum_detectable_effect(rate=rate, treated=treated, held_out=held_out)
    assert effect is not None
    rng = np.random.default_rng(17)
    buyers, others = rng.binomial(treated, rate + effect, 50_000), rng.binomial(held_out, rate, 50_000)
    low, _high = compute_newcombe_bounds(buyers, treated, others, held_out)
    assert (low > 0).mean() == pytest.approx(0.8, abs=0.015)


def test_the_effect_of_large_groups_follows_the_formula() -> None:
    # 90,000 against 10,000 at 3%: .53 points; with p(1 − p) of both groups it would be .50, which is detected in 76% of cases
    effect = compute_minimum_detectable_effect(rate=0.03, treated=90_000, held_out=10_000)
    assert effect == pytest.approx(0.00531, abs=5e-6)
    assert approximate_power(0.03, 0.03 + 0.00504, 90_000, 10_000, 0.05) == pytest.approx(0.76, abs=0.005)


def test_four_times_the_customers_halve_the_effect() -> None:
    small = compute_minimum_detectable_effect(rate=0.2, treated=5_000, held_out=5_000)
    large = compute_minimum_detectable_effect(rate=0.2, treated=20_000, held_out=20_000)
    assert small is not None
    assert large == pytest.approx(small / 2, rel=0.02)


def test_the_table_of_outcomes_and_the_formula_agree_for_large_groups() -> None:
    exact = compute_power(rate=0.05, effect=0.023, treated=9000, held_out=1000)
    assert exact == pytest.approx(approximate_power(0.05, 0.073, 9000, 1000, 0.05), abs=0.005)


@pytest.mark.parametrize(("rate", "treated", "held_out"), [(0.1, 0, 5), (0.1, 5, 0), (0.0, 5, 5), (1.0, 5, 5)])
def test_effect_is_undefined_for_degenerate_input(rate: float, treated: int, held_out: int) -> None:
    assert compute_minimum_detectable_effect(rate=rate, treated=treated, held_out=held_out) is None


def test_a_rate_of_97_7_percent_cannot_gain_6_99_points() -> None:
    assert compute_minimum_detectable_effect(rate=0.977, treated=352, held_out=41) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 1.5},
        {"rate": float("nan")},
        {"treated": -1},
        {"held_out": -1},
        {"alpha": 0},
        {"power": 1},
    ],
)
def test_invalid_input_is_rejected(wrong: dict[str, float]) -> None:
    arguments = {"rate": 0.1, "treated": 10, "held_out": 10, **wrong}
    with pytest.raises(ValueError, match=r"must"):
        compute_minimum_detectable_effect(**arguments)  # type: ignore[arg-type]
