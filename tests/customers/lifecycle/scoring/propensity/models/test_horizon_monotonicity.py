"""Probabilities of several horizons agree."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from customers.lifecycle.scoring.propensity.features.labels import PropensityTarget
from customers.lifecycle.scoring.propensity.models.horizon_monotonicity import fit_non_decreasing, reconcile_horizons

TARGETS = (
    PropensityTarget("churn", 60),
    PropensityTarget("purchase", 7),
    PropensityTarget("purchase", 30),
    PropensityTarget("purchase", 90),
)


def test_non_decreasing_rows_stay_and_others_become_the_nearest_such_row():
    draws = np.random.default_rng(1).random((200, 4))
    found = fit_non_decreasing(draws)
    assert (np.diff(found, axis=1) >= -1e-12).all()
    for row, reconciled in zip(draws, found, strict=True):
        assert reconciled == pytest.approx(IsotonicRegression().fit_transform(np.arange(4), row))
    ordered = np.sort(draws, axis=1)
    assert fit_non_decreasing(ordered) == pytest.approx(ordered)
    assert fit_non_decreasing(np.empty((0, 4))).shape == (0, 4)


def test_the_result_is_nearer_to_every_non_decreasing_truth():
    draws = np.random.default_rng(2)
    truth = np.sort(draws.random((500, 3)), axis=1)
    said = np.clip(truth + draws.normal(0, 0.2, truth.shape), 0, 1)
    assert (((fit_non_decreasing(said) - truth) ** 2).sum(axis=1) <= ((said - truth) ** 2).sum(axis=1) + 1e-12).all()


def test_no_order_within_sixty_days_stands_between_thirty_and_ninety():
    said = np.array([[0.9, 0.1, 0.4, 0.3], [0.2, 0.1, 0.4, 0.9]])
    found = reconcile_horizons(targets=TARGETS, probabilities=said, lapsed=np.zeros(2, bool))
    assert found[0] == pytest.approx([0.75, 0.1, 0.25, 0.3])
    assert found[1] == pytest.approx(said[1])


def test_a_lapsed_customer_changes_no_purchase_probability():
    said = np.array([[0.6, 0.01, 0.05, 0.1]])
    found = reconcile_horizons(targets=TARGETS, probabilities=said, lapsed=np.array([True]))
    assert found[0] == pytest.approx([0.9, 0.01, 0.05, 0.1])


def test_one_target_alone_stays_as_it_is():
    said = np.array([[0.3], [0.7]])
    for target in TARGETS[:2]:
        assert reconcile_horizons(
            targets=[target], probabilities=said, lapsed=np.array([True, False])
        ) == pytest.approx(said)
