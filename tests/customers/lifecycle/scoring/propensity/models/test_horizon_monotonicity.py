"""Probabilities of several horizons are made consistent."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from customers.lifecycle.propensity.levels import widen_intervals
from customers.lifecycle.scoring.propensity.features.labels import PropensityTarget
from customers.lifecycle.scoring.propensity.models.horizon_monotonicity import fit_non_decreasing, reconcile_horizons

TARGETS = (
    PropensityTarget("churn", 60),
    PropensityTarget("purchase", 7),
    PropensityTarget("purchase", 30),
    PropensityTarget("purchase", 90),
)


def test_non_decreasing_rows_are_unchanged_and_others_become_the_nearest_such_row():
    draws = np.random.default_rng(1).random((200, 4))
    reconciled_rows = fit_non_decreasing(draws)
    assert (np.diff(reconciled_rows, axis=1) >= -1e-12).all()
    for row, reconciled in zip(draws, reconciled_rows, strict=True):
        assert reconciled == pytest.approx(IsotonicRegression().fit_transform(np.arange(4), row))
    sorted_rows = np.sort(draws, axis=1)
    assert fit_non_decreasing(sorted_rows) == pytest.approx(sorted_rows)
    assert fit_non_decreasing(np.empty((0, 4))).shape == (0, 4)


def test_the_result_is_nearer_to_the_non_decreasing_truth():
    draws = np.random.default_rng(2)
    truth = np.sort(draws.random((500, 3)), axis=1)
    predictions = np.clip(truth + draws.normal(0, 0.2, truth.shape), 0, 1)
    assert (
        ((fit_non_decreasing(predictions) - truth) ** 2).sum(axis=1) <= ((predictions - truth) ** 2).sum(axis=1) + 1e-12
    ).all()


def test_churn_within_60_days_is_between_30_and_90_days():
    predictions = np.array([[0.9, 0.1, 0.4, 0.3], [0.2, 0.1, 0.4, 0.9]])
    reconciled = reconcile_horizons(targets=TARGETS, probabilities=predictions, lapsed=np.zeros(2, bool))
    assert reconciled[0] == pytest.approx([0.75, 0.1, 0.25, 0.3])
    assert reconciled[1] == pytest.approx(predictions[1])


def test_a_lapsed_customer_changes_no_purchase_probability():
    predictions = np.array([[0.6, 0.01, 0.05, 0.1]])
    reconciled = reconcile_horizons(targets=TARGETS, probabilities=predictions, lapsed=np.array([True]))
    assert reconciled[0] == pytest.approx([0.9, 0.01, 0.05, 0.1])


def test_a_single_target_is_unchanged():
    predictions = np.array([[0.3], [0.7]])
    for target in TARGETS[:2]:
        assert reconcile_horizons(
            targets=[target], probabilities=predictions, lapsed=np.array([True, False])
        ) == pytest.approx(predictions)


@pytest.mark.parametrize("is_lapsed", [False, True])
def test_churn_and_a_purchase_within_the_same_horizon_add_up_to_one(is_lapsed: bool) -> None:
    targets = [PropensityTarget("churn", 30), *TARGETS[1:]]
    predictions = np.array([[0.5, 0.1, 0.7, 0.8], [0.9, 0.3, 0.2, 0.1]])
    reconciled = reconcile_horizons(targets=targets, probabilities=predictions, lapsed=np.full(2, is_lapsed))
    assert reconciled[:, 0] + reconciled[:, 2] == pytest.approx([1.0, 1.0])
    assert (np.diff(reconciled[:, 1:], axis=1) >= -1e-12).all()
    if is_lapsed:
        assert reconciled[0] == pytest.approx([0.3, 0.1, 0.7, 0.8]), "churn changes no probability of a purchase"
    else:
        assert reconciled[0] == pytest.approx([0.4, 0.1, 0.6, 0.8]), "both count the same"
    assert widen_intervals([(0.3, 0.5), (0.6, 0.7), (0.5, 0.9)], [30, 30, 90]) == [(0.3, 0.7), (0.3, 0.7), (0.5, 0.9)]
