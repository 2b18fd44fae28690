"""Metrics compared with results computed by hand or with a slower definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from config.foundation.statistics import compute_wilson_bounds
from customers.lifecycle.scoring.propensity.drift import classify_drift, measure_reference, population_stability_index
from customers.lifecycle.scoring.propensity.metrics import (
    auc,
    brier_score,
    calibration_curve,
    evaluate_scores,
    lift_at_share,
    lift_by_bin,
    shift_to_rate,
    simulate_max_gap,
)


def test_equal_scores_count_half():
    score, label = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert auc(score=score, label=label) == pytest.approx(3.5 / 4)
    assert brier_score(score=score, label=label) == pytest.approx((0.01 + 0.36 + 0.16 + 0.04) / 4)
    with pytest.raises(ValueError, match="positives"):
        auc(score=score, label=np.ones(4, bool))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auc_equals_that_of_scikit_learn(pairs):
    score, label = np.array([s / 5 for s, _ in pairs]), np.array([positive for _, positive in pairs])
    if 0 < label.sum() < len(label):
        assert auc(score=score, label=label) == pytest.approx(roc_auc_score(label, score))


def test_lift_begins_with_the_highest_scores_and_splits_ties_evenly():
    score = np.array([0.9, 0.8, 0.3, 0.3, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1])
    label = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0], bool)
    assert lift_by_bin(score=score, label=label, bins=5) == pytest.approx([2.5, 1.25, 1.25, 0, 0])
    assert lift_at_share(score=score, label=label, share=0.2) == pytest.approx(2.5)
    assert lift_at_share(score=score, label=label, share=0.25) == pytest.approx(2.25 / 2.5 / 0.4)
    shuffled = np.random.default_rng(1).permutation(10)
    assert lift_by_bin(score=score[shuffled], label=label[shuffled]) == pytest.approx(
        lift_by_bin(score=score, label=label)
    )


def test_wilson_bounds_match_the_published_table():
    low, high = compute_wilson_bounds(
        np.array([81.0, 0.0]), np.array([263, 20])
    )  # Newcombe, Statistics in Medicine 1998, table I
    assert low == pytest.approx([0.2553, 0.0], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1611], abs=5e-5)


def test_the_calibration_curve_keeps_equal_scores_together():
    score = np.repeat([0.2, 0.7], [500, 500])
    label = np.concatenate((np.arange(500) < 100, np.arange(500) < 300))
    curve = calibration_curve(score=score, label=label)
    assert curve.customers.tolist() == [500, 500]
    assert curve.predicted == pytest.approx([0.2, 0.7])
    assert curve.actual == pytest.approx([0.2, 0.6])
    assert (curve.low < curve.actual).all()
    assert (curve.actual < curve.high).all()
    metrics = evaluate_scores(score=score, label=label)
    assert metrics.calibration_error == pytest.approx(0.05)
    assert metrics.skill == pytest.approx(1 - metrics.brier / (0.4 * 0.6))


def test_distinct_scores_make_ten_equal_parts():
    score = np.random.default_rng(1).permutation(100) / 100
    assert calibration_curve(score=score, label=score > 0.5).customers.tolist() == [10] * 10


@pytest.mark.parametrize("label", [[], [True, True], [False]])
def test_undefined_metrics_are_none(label):
    metrics = evaluate_scores(score=np.full(len(label), 0.5), label=np.array(label, bool))
    assert metrics.auc is None
    assert (metrics.brier is None) == (not label)
    assert (metrics.lift is None) == (not any(label))


def test_invalid_scores_are_rejected():
    with pytest.raises(ValueError, match="between 0 and 1"):
        evaluate_scores(score=np.array([1.2]), label=np.array([True]))
    with pytest.raises(ValueError, match="shape"):
        evaluate_scores(score=np.array([0.2]), label=np.array([True, False]))


def test_the_same_customers_have_not_drifted_and_others_have():
    draws = np.random.default_rng(1)
    reference_rows = draws.normal(size=(5000, 3))
    reference_rows[:, 2] = draws.random(5000) < 0.03
    reference = measure_reference(reference_rows)
    assert population_stability_index(reference=reference, matrix=reference_rows) == pytest.approx([0, 0, 0], abs=1e-9)
    current_rows = draws.normal([0, 1, 0], 1, (5000, 3))
    current_rows[:, 2] = draws.random(5000) < 0.3
    index = population_stability_index(reference=reference, matrix=current_rows)
    assert classify_drift(index).tolist() == [0, 2, 2]
    assert np.isfinite(index).all()
    with pytest.raises(ValueError, match="shape"):
        population_stability_index(reference=reference, matrix=current_rows[:, :2])


def test_the_stability_index_of_two_bins_matches_the_formula():
    reference_rows = np.repeat([0.0, 1.0], [1000, 1000])[:, None]
    current_rows = np.repeat([0.0, 1.0], [1500, 500])[:, None]
    index = population_stability_index(reference=measure_reference(reference_rows), matrix=current_rows)[0]
    assert index == pytest.approx(0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5), abs=0.01)


def test_the_random_gap_of_exact_scores_shrinks_with_the_number_of_customers():
    def simulate_gaps(customers):
        return simulate_max_gap(
            calibration_curve(score=np.full(customers, 0.5), label=np.zeros(customers, bool)), seed=1
        )

    few, many = simulate_gaps(1000), simulate_gaps(100_000)
    assert few / many == pytest.approx([10, 10], rel=0.2)
    # one bin of equal scores has a standard deviation of 0.5 / √n
    assert few == pytest.approx(np.array([0.674, 1.96]) * 0.5 / np.sqrt(1000), rel=0.15)


def test_the_largest_random_gap_of_ten_bins_is_larger_than_of_one():
    draws = np.random.default_rng(1)
    score = draws.random(2700)
    gaps = [
        np.abs(
            (curve := calibration_curve(score=score, label=draws.random(2700) < score)).predicted - curve.actual
        ).max()
        for _ in range(300)
    ]
    median, high = simulate_max_gap(curve, seed=1)
    assert [median, high] == pytest.approx(np.quantile(gaps, [0.5, 0.95]), rel=0.15)


def test_scores_at_the_right_level_keep_their_order_and_have_the_mean():
    score = np.random.default_rng(1).beta(2, 5, 1000)
    shifted = shift_to_rate(score=score, rate=0.6)
    assert shifted.mean() == pytest.approx(0.6)
    assert np.ptp(np.log(shifted / (1 - shifted)) - np.log(score / (1 - score))) < 1e-9
    with pytest.raises(ValueError, match="between 0 and 1"):
        shift_to_rate(score=score, rate=1.0)
