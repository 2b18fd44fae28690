"""Estimates of the clicks of a ranking that was never shown."""

import math

import numpy as np
import pytest

from recommendations.engine.evaluation.counterfactual import estimate_clicks, estimate_ratio, evaluate_logged
from recommendations.engine.position_bias import CLICK_MODEL, ExaminationCurve

THETA = 1.0 / np.arange(1, 9)
CURVE = ExaminationCurve(THETA, CLICK_MODEL)


def draw_log(*, responses: int, attraction: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw positions (responses, products) from 1, and clicks."""
    rng = np.random.default_rng(seed)
    position = np.argsort(rng.random((responses, len(attraction))), axis=1) + 1
    is_examined = rng.random(position.shape) < THETA[position - 1]
    return position, is_examined & (rng.random(position.shape) < attraction)


def test_clicks_of_the_best_ranking_are_estimated_from_shuffled_responses() -> None:
    attraction = np.linspace(0.5, 0.02, 8)
    position, clicked = draw_log(responses=40_000, attraction=attraction, seed=2)
    truth = float(THETA @ attraction)
    target = np.tile(np.arange(1, 9), (len(position), 1))
    estimates = estimate_clicks(
        response=np.repeat(np.arange(len(position)), 8),
        position=position.ravel(),
        clicked=clicked.ravel(),
        target=target.ravel(),
        length=np.full(len(position), 8),
        curve=CURVE,
    )
    raw = clicked.sum() / len(position)
    assert estimates.ips.low < truth < estimates.ips.high
    assert estimates.ips.value == pytest.approx(truth, rel=0.03)
    assert estimates.snips.low < truth < estimates.snips.high
    assert estimates.snips.high - estimates.snips.low < estimates.ips.high - estimates.ips.low
    assert abs(raw - truth) > 5 * abs(estimates.ips.value - truth)
    assert (estimates.coverage, estimates.clipped) == (1, 0)


def test_intervals_have_their_nominal_coverage() -> None:
    attraction, n_covered = np.linspace(0.4, 0.05, 8), 0
    for seed in range(100):
        position, clicked = draw_log(responses=400, attraction=attraction, seed=seed)
        responses, _columns = np.nonzero(clicked)
        estimate = evaluate_logged(
            lengths=np.full(400, 8), clicked_response=responses, clicked_position=position[clicked], curve=CURVE
        ).estimate
        n_covered += estimate.low <= attraction.mean() <= estimate.high
    assert n_covered >= 88


def test_equally_good_products_at_different_positions_get_the_same_estimate() -> None:
    rng = np.random.default_rng(5)
    high, low = rng.random(50_000) < 0.2, rng.random(50_000) < 0.2 * THETA[3]
    figures = [
        evaluate_logged(
            lengths=np.ones(50_000, np.int64),
            clicked_response=np.flatnonzero(clicks),
            clicked_position=np.full(clicks.sum(), position),
            curve=CURVE,
        )
        for clicks, position in ((high, 1), (low, 4))
    ]
    assert figures[0].raw.value > 3 * figures[1].raw.value
    assert figures[0].estimate.value == pytest.approx(figures[1].estimate.value, rel=0.1)
    assert figures[1].estimate.low < 0.2 < figures[1].estimate.high


def test_products_missing_in_one_ranking_reduce_coverage_and_do_not_count() -> None:
    estimates = estimate_clicks(
        response=np.array([0, 0]),
        position=np.array([1, 2]),
        clicked=np.array([True, True]),
        target=np.array([0, 1]),
        length=np.array([4]),
        curve=CURVE,
    )
    assert estimates.ips.value == pytest.approx(2.0)  # the second product would be examined twice as often
    assert estimates.coverage == 0.25


def test_weights_are_clipped_and_the_clipped_share_is_reported() -> None:
    figures = evaluate_logged(
        lengths=np.array([10, 10]),
        clicked_response=np.array([0, 1]),
        clicked_position=np.array([1, 8]),
        curve=CURVE,
        clip=4.0,
    )
    assert figures.estimate.value == pytest.approx((1 + 4) / 20)
    assert figures.clipped == 0.5
    assert (figures.responses, figures.items, figures.clicks) == (2, 20, 2)


def test_estimates_without_impressions_are_nan() -> None:
    nothing = np.zeros(0, np.int64)
    figures = evaluate_logged(lengths=nothing, clicked_response=nothing, clicked_position=nothing, curve=CURVE)
    assert math.isnan(figures.raw.value)
    assert math.isnan(figures.estimate.value)


def test_ratio_matches_a_worked_example() -> None:
    """Two clicks in four products; one response is above the mean, one below: residuals ±1, variance 2 / 16."""
    ratio = estimate_ratio([2, 0], [2, 2], level=0.95)
    assert (ratio.value, ratio.low) == (0.5, 0.0)
    assert ratio.high == pytest.approx(0.5 + 1.959964 * math.sqrt(2) / 4)


def test_position_zero_is_rejected() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        evaluate_logged(
            lengths=np.array([1]), clicked_response=np.array([0]), clicked_position=np.array([0]), curve=CURVE
        )
