"""Estimates of the clicks of a ranking that was never shown."""

import math

import numpy as np
import pytest

from recommendations.engine.evaluation.counterfactual import estimate_clicks, estimate_ratio, evaluate_logged
from recommendations.engine.position_bias import CLICK_MODEL, ExaminationCurve

THETA = 1.0 / np.arange(1, 9)
CURVE = ExaminationCurve(THETA, CLICK_MODEL)


def logged(*, responses: int, wanted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw positions (responses, products) from 1, and clicks."""
    chance = np.random.default_rng(seed)
    place = np.argsort(chance.random((responses, len(wanted))), axis=1) + 1
    looked = chance.random(place.shape) < THETA[place - 1]
    return place, looked & (chance.random(place.shape) < wanted)


def test_clicks_of_the_best_ranking_are_estimated_from_shuffled_responses() -> None:
    wanted = np.linspace(0.5, 0.02, 8)
    place, clicked = logged(responses=40_000, wanted=wanted, seed=2)
    truth = float(THETA @ wanted)
    target = np.tile(np.arange(1, 9), (len(place), 1))
    found = estimate_clicks(
        response=np.repeat(np.arange(len(place)), 8),
        position=place.ravel(),
        clicked=clicked.ravel(),
        target=target.ravel(),
        length=np.full(len(place), 8),
        curve=CURVE,
    )
    raw = clicked.sum() / len(place)
    assert found.ips.low < truth < found.ips.high
    assert found.ips.value == pytest.approx(truth, rel=0.03)
    assert found.snips.low < truth < found.snips.high
    assert found.snips.high - found.snips.low < found.ips.high - found.ips.low
    assert abs(raw - truth) > 5 * abs(found.ips.value - truth)
    assert (found.coverage, found.clipped) == (1, 0)


def test_intervals_have_their_nominal_coverage() -> None:
    wanted, held = np.linspace(0.4, 0.05, 8), 0
    for seed in range(100):
        place, clicked = logged(responses=400, wanted=wanted, seed=seed)
        responses, _columns = np.nonzero(clicked)
        found = evaluate_logged(
            lengths=np.full(400, 8), clicked_response=responses, clicked_position=place[clicked], curve=CURVE
        ).estimate
        held += found.low <= wanted.mean() <= found.high
    assert held >= 88


def test_equally_good_products_at_different_positions_get_the_same_estimate() -> None:
    chance = np.random.default_rng(5)
    high, low = chance.random(50_000) < 0.2, chance.random(50_000) < 0.2 * THETA[3]
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
    found = estimate_clicks(
        response=np.array([0, 0]),
        position=np.array([1, 2]),
        clicked=np.array([True, True]),
        target=np.array([0, 1]),
        length=np.array([4]),
        curve=CURVE,
    )
    assert found.ips.value == pytest.approx(2.0)  # the second product would be looked at twice as often
    assert found.coverage == 0.25


def test_weights_are_clipped_and_the_clipped_share_is_reported() -> None:
    found = evaluate_logged(
        lengths=np.array([10, 10]),
        clicked_response=np.array([0, 1]),
        clicked_position=np.array([1, 8]),
        curve=CURVE,
        clip=4.0,
    )
    assert found.estimate.value == pytest.approx((1 + 4) / 20)
    assert found.clipped == 0.5
    assert (found.responses, found.items, found.clicks) == (2, 20, 2)


def test_estimates_without_impressions_are_nan() -> None:
    nothing = np.zeros(0, np.int64)
    found = evaluate_logged(lengths=nothing, clicked_response=nothing, clicked_position=nothing, curve=CURVE)
    assert math.isnan(found.raw.value)
    assert math.isnan(found.estimate.value)


def test_ratio_matches_a_worked_example() -> None:
    """2 clicks in 4 products, one response above and one below the mean: residuals ±1, variance 2 / 16."""
    found = estimate_ratio([2, 0], [2, 2], level=0.95)
    assert (found.value, found.low) == (0.5, 0.0)
    assert found.high == pytest.approx(0.5 + 1.959964 * math.sqrt(2) / 4)


def test_position_zero_is_rejected() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        evaluate_logged(
            lengths=np.array([1]), clicked_response=np.array([0]), clicked_position=np.array([0]), curve=CURVE
        )
