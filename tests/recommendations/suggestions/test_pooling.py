"""The expected effect of the next campaign from earlier ones."""

import numpy as np
import pytest

from recommendations.suggestions.pooling import predict_effect


def test_one_campaign_is_shrunk_towards_zero_by_its_uncertainty() -> None:
    # posterior precision 1/.05² + 1/.05² = 800: half of the effect, with a standard deviation of .0354; campaigns do not differ
    effect = predict_effect([0.04], [0.05], difference=1e-6)
    assert effect.value == pytest.approx(0.02)
    assert effect.high - effect.value == pytest.approx(1.959964 * 800**-0.5)
    assert predict_effect([0.04], [0.05]).value < 0.02


def test_a_precise_campaign_counts_more_than_an_uncertain_one() -> None:
    effect = predict_effect([0.03, 0.031], [0.002, 0.05])
    assert effect.value == pytest.approx(0.03, abs=0.003)


def test_campaigns_that_differ_widen_the_interval() -> None:
    alike, different = predict_effect([0.03, 0.03], [0.005, 0.005]), predict_effect([0.0, 0.06], [0.005, 0.005])
    assert different.high - different.low > 1.3 * (alike.high - alike.low)


def test_the_interval_contains_the_next_effect_although_few_campaigns_say_how_much_they_differ() -> None:
    rng = np.random.default_rng(1)
    for campaigns in (1, 2, 5):
        true = rng.normal(0, 0.01, (200, campaigns + 1))
        seen = rng.normal(true[:, :-1], 0.005)
        intervals = [predict_effect(effects, [0.005] * campaigns) for effects in seen.tolist()]
        covered = [
            interval.low <= following <= interval.high
            for interval, following in zip(intervals, true[:, -1], strict=True)
        ]
        assert np.mean(covered) > 0.9


def test_campaigns_with_other_messages_show_how_much_campaigns_differ() -> None:
    alone = predict_effect([0.03], [0.005])
    alike = predict_effect([0.03], [0.005], others=[([0.01] * 6, [0.003] * 6)])
    different = predict_effect([0.03], [0.005], others=[([-0.05, 0.03, 0.06, -0.02], [0.003] * 4)])
    assert alike.high - alike.low < alone.high - alone.low < different.high - different.low


@pytest.mark.parametrize(("effects", "errors"), [([], []), ([0.1], [0.0])])
def test_nothing_is_predicted_from_nothing(effects: list[float], errors: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one campaign"):
        predict_effect(effects, errors)
