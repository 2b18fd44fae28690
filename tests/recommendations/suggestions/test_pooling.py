"""The expected effect of the next campaign from earlier ones."""

import pytest

from recommendations.suggestions.pooling import predict_effect


def test_one_campaign_is_shrunk_towards_zero_by_its_uncertainty() -> None:
    # posterior precision 1/.05² + 1/.05² = 800: half of the effect, with a standard deviation of .0354
    effect = predict_effect([0.04], [0.05])
    assert effect.value == pytest.approx(0.02)
    assert effect.high - effect.value == pytest.approx(1.959964 * 800**-0.5)


def test_a_precise_campaign_counts_more_than_an_uncertain_one() -> None:
    effect = predict_effect([0.03, 0.031], [0.002, 0.05])
    assert effect.value == pytest.approx(0.03, abs=0.001)


def test_campaigns_that_differ_widen_the_interval() -> None:
    # w = 10⁴ each, d̄ = .03, Q = 8, τ² = (8 − 1) ÷ (2·10⁴ − 10⁴) = 7·10⁻⁴
    alike, different = predict_effect([0.03, 0.03], [0.01, 0.01]), predict_effect([0.01, 0.05], [0.01, 0.01])
    assert different.value == pytest.approx(0.03 * 2500 / (400 + 2500), abs=1e-4)
    assert different.high - different.low > 2 * (alike.high - alike.low)


@pytest.mark.parametrize(("effects", "errors"), [([], []), ([0.1], [0.0])])
def test_nothing_is_predicted_from_nothing(effects: list[float], errors: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one campaign"):
        predict_effect(effects, errors)
