"""The measured effects of groups of customers: without an effect none is shown, and a large one is."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from config.foundation.array_types import Floats
from recommendations.measurement.statistics.uplift.cross_fitting import TrainingRows
from recommendations.measurement.statistics.uplift.group_effects import UNKNOWN, measure_group_effect
from recommendations.uplift.training import EffectGroup, find_thresholds, measure_groups


@dataclass(frozen=True)
class KnownModel:
    """Predicts by a function of the matrix."""

    function: Callable[[Floats], Floats]

    def predict(self, matrix: Floats) -> Floats:
        return self.function(matrix)


def measure_shop(
    seed: int, *, customers: int, holdout: float, rate: float, effect: float, swapped: bool = False
) -> list[EffectGroup]:
    """Return the groups of a shop whose customers order with different probabilities, raised by a share of them by a message.

    The expected outcomes are the true ones, and groups are in their order. swapped: the message lowers orders instead.
    """
    draws = np.random.default_rng(seed)
    probability = np.minimum(rate * np.exp(draws.normal(0, 1, customers) - 0.5), 0.45)
    treated = draws.random(customers) >= holdout
    raised = probability * (1 + effect)
    outcome = (draws.random(customers) < np.where(treated != swapped, raised, probability)).astype(np.float64)
    rows = TrainingRows(probability[:, None], treated, outcome, np.full(customers, 1 - holdout))
    with_effect, without = KnownModel(lambda m: m[:, 0] * (1 + effect)), KnownModel(lambda m: m[:, 0])
    models = {"treated_model": with_effect, "control_model": without}
    if swapped:
        models = {"treated_model": without, "control_model": with_effect}
    chosen: Any = SimpleNamespace(outcomes=SimpleNamespace(**models))
    return measure_groups(rows, chosen, probability, find_thresholds(probability))


@pytest.mark.parametrize(
    ("customers", "holdout", "rate"), [(2_200, 0.1, 0.1), (4_000, 0.1, 0.05), (1_000, 0.5, 0.1), (20_000, 0.1, 0.03)]
)
def test_without_an_effect_hardly_any_shop_has_a_group_with_one(customers: int, holdout: float, rate: float) -> None:
    """A group of the least likely buyers often has no order of a customer who was held out; 5% of the shops are allowed, 20% to 65% were."""
    shops = [measure_shop(seed, customers=customers, holdout=holdout, rate=rate, effect=0.0) for seed in range(60)]
    positive = [any(group.low > 0 for group in groups) for groups in shops]
    negative = [any(group.high < 0 for group in groups) for groups in shops]
    assert np.mean(positive) < 0.07
    assert np.mean(negative) < 0.07


@pytest.mark.parametrize("swapped", [False, True])
def test_a_large_effect_is_shown_and_covered(swapped: bool) -> None:
    sign = -1 if swapped else 1
    covered = []
    for seed in range(20):
        groups = measure_shop(seed, customers=20_000, holdout=0.1, rate=0.1, effect=0.8, swapped=swapped)
        assert sign * groups[-1].effect > 0
        assert groups[-1].low * groups[-1].high > 0
        # the true effect of a group is 80% of its mean probability
        covered.append(all(group.low < sign * 0.8 * group.predicted < group.high for group in groups))
    assert np.mean(covered) >= 0.85


def test_a_group_without_two_customers_on_each_side_is_unknown() -> None:
    rows = TrainingRows(np.zeros((9, 1)), np.arange(9) > 0, np.zeros(9), np.full(9, 0.9))
    assert measure_group_effect(rows, treated=np.zeros(9), control=np.zeros(9)) == UNKNOWN


def test_a_group_without_an_order_can_still_have_an_effect() -> None:
    """Nobody of 400 and 40 customers ordered: up to 1% and 8.8% of such customers may order (Wilson)."""
    treated = np.arange(440) < 400
    rows = TrainingRows(np.zeros((440, 1)), treated, np.zeros(440), np.full(440, 400 / 440))
    interval = measure_group_effect(rows, treated=np.zeros(440), control=np.zeros(440))
    assert (interval.value, interval.low, interval.high) == pytest.approx((0, -0.0876, 0.0095), abs=1e-4)


def test_the_variance_of_a_small_group_is_that_of_both() -> None:
    """10% of the 4,000 recipients ordered and none of the 400 others, whose own variance would be 0."""
    treated = np.arange(4_400) < 4_000
    outcome = (np.arange(4_400) < 400).astype(np.float64)
    rows = TrainingRows(np.zeros((4_400, 1)), treated, outcome, np.full(4_400, 4_000 / 4_400))
    zero = np.zeros(4_400)
    interval = measure_group_effect(rows, treated=zero, control=zero)
    # Σ r²/(e (1 − e))/n² with 400 orders: 400 / (10/121) / 4,400²
    error = np.sqrt(400 / (10 / 121)) / 4_400
    assert interval.value == pytest.approx(0.1)
    assert interval.low == pytest.approx(0.1 - 1.9659 * error, abs=1e-4)
