"""Off-policy estimates: worked values, no bias, honest intervals."""

import numpy as np
import pytest
from scipy import sparse

from recommendations.measurement.statistics.off_policy import (
    compute_skewed_mean_interval,
    compute_weights,
    estimate_action_shares,
    estimate_dr,
    estimate_ips,
    estimate_snips,
    evaluate_policy,
)
from recommendations.measurement.statistics.reward_model import ActionLog, predict_rewards


def test_estimates_of_four_decisions_equal_those_by_hand() -> None:
    rewards = np.array([1.0, 0.0, 1.0, 0.0])
    weights = compute_weights(target=np.array([0.25, 0.5, 0.5, 0.25]), propensity=np.array([0.5, 0.5, 0.25, 0.25]))
    assert weights.tolist() == [0.5, 1.0, 2.0, 1.0]
    assert estimate_ips(rewards, weights).value == pytest.approx(2.5 / 4)
    assert estimate_snips(rewards, weights).value == pytest.approx(2.5 / 4.5)
    half = np.full(4, 0.5)
    assert estimate_dr(rewards, weights, predicted=half, expected=half).value == pytest.approx(0.5 + 0.25 / 4)


def test_doubly_robust_is_unbiased_with_a_wrong_reward_model() -> None:
    rng = np.random.default_rng(4)
    rates, shown, wanted = np.array([0.1, 0.3]), np.array([0.8, 0.2]), np.array([0.3, 0.7])
    action = (rng.random(200_000) < shown[1]).astype(np.int64)
    rewards = (rng.random(len(action)) < rates[action]).astype(np.float64)
    weights = compute_weights(target=wanted[action], propensity=shown[action])
    wrong = np.array([0.9, 0.05])
    expected = np.full(len(action), wanted @ wrong)
    estimate = estimate_dr(rewards, weights, predicted=wrong[action], expected=expected)
    assert abs(expected[0] - wanted @ rates) > 0.05  # the model alone is wrong
    assert estimate.low <= wanted @ rates <= estimate.high
    assert estimate.value == pytest.approx(wanted @ rates, abs=0.01)


def test_the_interval_of_rare_weighted_rewards_holds_the_truth_in_95_percent_of_samples() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        values = (rng.random(2000) < 0.01) * np.exp(rng.normal(-0.5, 1.0, 2000))
        interval = compute_skewed_mean_interval(values)
        held += interval.low <= 0.01 <= interval.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_a_policy_is_valued_from_the_log_of_another() -> None:
    rng = np.random.default_rng(3)
    shown = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
    wanted = shown[::-1].copy()
    rates = np.array([[0.02, 0.05, 0.2], [0.2, 0.05, 0.02]])
    group = rng.integers(0, 2, 8_000)
    action = (rng.random(len(group))[:, None] > shown.cumsum(axis=1)[group]).sum(axis=1)
    rewards = (rng.random(len(group)) < rates[group, action]).astype(np.float64)
    log = ActionLog(sparse.csr_array(np.eye(2)[group]), action, group, rewards)
    weights = compute_weights(target=wanted[group, action], propensity=shown[group, action])
    predictions = predict_rewards(log, wanted, seed=1)
    estimates = evaluate_policy(rewards, weights, predicted=predictions.predicted, expected=predictions.expected)
    truth = float((wanted * rates).sum(axis=1).mean())
    for estimate in (estimates.ips, estimates.snips, estimates.dr):
        assert estimate.low <= truth <= estimate.high
    assert truth > 2 * rewards.mean()


def test_the_shares_of_a_uniform_policy_are_exact_and_sum_to_one() -> None:
    action = np.array([0, 0, 0, 1, 2, 2])
    shares = estimate_action_shares(
        group=np.zeros(6, np.int64), action=action, propensity=np.full(6, 1 / 3), n_groups=1, n_actions=3
    )
    assert shares.tolist() == [pytest.approx([1 / 3, 1 / 3, 1 / 3])]


def test_propensities_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match=r"propensities must be in \(0, 1\]"):
        compute_weights(target=np.array([0.5]), propensity=np.array([0.0]))
