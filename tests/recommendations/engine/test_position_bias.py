"""The examination curve is recovered from simulated clicks, and the method used is reported."""

import numpy as np
import pytest

from recommendations.engine.position_bias import (
    CASCADE,
    CLICK_MODEL,
    PRIOR,
    ClickCounts,
    ExaminationCurve,
    compute_moved_share,
    compute_prior,
    fit_cascade,
    learn_curve,
)

TRUE = 1.0 / np.arange(1, 11) ** 0.7


def simulate(
    *,
    responses: int,
    curve: np.ndarray = TRUE,
    products: int = 200,
    best_first: float = 0.0,
    low: float = 0.05,
    high: float = 0.3,
    seed: int = 1,
) -> ClickCounts:
    """Simulate users who examine positions by the curve; ``best_first`` ranks attractive products higher."""
    rng = np.random.default_rng(seed)
    attraction = rng.uniform(low, high, products)
    impressions = np.zeros((products, len(curve)))
    click_counts = np.zeros((products, len(curve)))
    for _response in range(responses):
        products_shown = rng.choice(products, len(curve), replace=False)
        noise = rng.uniform(0, 1, len(curve))
        products_shown = products_shown[
            np.argsort(-(best_first * attraction[products_shown] / high + (1 - best_first) * noise))
        ]
        is_examined = rng.random(len(curve)) < curve
        clicks = is_examined & (rng.random(len(curve)) < attraction[products_shown])
        impressions[products_shown, np.arange(len(curve))] += 1
        click_counts[products_shown, np.arange(len(curve))] += clicks
    product, position = np.nonzero(impressions)
    return ClickCounts(product, position + 1, impressions[product, position], click_counts[product, position])


def test_curve_is_recovered_from_shuffled_responses() -> None:
    curve = learn_curve(simulate(responses=20_000))
    assert curve.method == CLICK_MODEL
    assert curve.examination[0] == 1
    assert curve.examination == pytest.approx(TRUE, abs=0.05)


def test_curve_is_recovered_where_raw_rates_would_mislead() -> None:
    counts = simulate(responses=30_000, best_first=0.5)
    raw = np.bincount(counts.position, counts.clicks)[1:] / np.bincount(counts.position, counts.impressions)[1:]
    curve = learn_curve(counts).examination
    assert curve == pytest.approx(TRUE, abs=0.06)
    assert np.abs(raw / raw[0] - TRUE).max() > 2 * np.abs(curve - TRUE).max()


def test_curve_is_recovered_from_rare_clicks() -> None:
    curve = learn_curve(simulate(responses=60_000, low=0.005, high=0.03, products=100))
    assert curve.examination == pytest.approx(TRUE, abs=0.12)


def test_second_position_may_be_examined_more_than_the_first() -> None:
    curve = np.array([0.6, 0.9, 0.5, 0.3])
    learned = learn_curve(simulate(responses=20_000, curve=curve, products=50))
    assert learned.examination == pytest.approx(curve / 0.6, abs=0.08)


def test_curve_is_reproducible() -> None:
    assert (learn_curve(simulate(responses=500)).examination == learn_curve(simulate(responses=500)).examination).all()


def test_few_clicks_use_the_cascade_and_very_few_the_prior() -> None:
    counts = simulate(responses=100)
    clicks = int(counts.clicks.sum())
    assert 30 <= clicks < 300
    assert learn_curve(counts).method == CASCADE
    few = learn_curve(simulate(responses=10))
    assert few.method == PRIOR
    assert few.examination == pytest.approx(1 / np.log2(np.arange(2, 12)))


def test_fixed_positions_use_the_cascade() -> None:
    fixed = ClickCounts(np.arange(5), np.arange(1, 6), np.full(5, 1e4), np.array([900.0, 500, 400, 300, 200]))
    assert compute_moved_share(fixed) == 0
    assert learn_curve(fixed).method == CASCADE


def test_cascade_matches_a_worked_example() -> None:
    """Half click the first position and stop; of the others 0.63 go on, and so on."""
    counts = ClickCounts(np.array([0, 1, 2]), np.array([1, 2, 3]), np.full(3, 100.0), np.array([50.0, 20, 5]))
    assert fit_cascade(counts, 3) == pytest.approx([1, 0.5 * compute_prior(2), 0.5 * 0.8 * 0.5])


def test_no_impressions_give_the_prior() -> None:
    nothing = ClickCounts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert learn_curve(nothing, n_positions=3).examination == pytest.approx(compute_prior([1, 2, 3]))
    assert len(learn_curve(nothing).examination) == 0


def test_curve_decreases_beyond_its_end_as_the_prior_does() -> None:
    curve = ExaminationCurve(np.array([1.0, 0.5]), CLICK_MODEL)
    assert curve.get_examination([1, 2]) == pytest.approx([1, 0.5])
    assert curve.get_examination([5]) == pytest.approx([0.5 * compute_prior(5) / compute_prior(2)])
    assert ExaminationCurve(np.zeros(0), PRIOR).get_examination([3]) == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("position", "impressions", "clicks", "message"),
    [
        ([0], [1.0], [0.0], "count from 1"),
        ([1], [1.0], [2.0], "between 0 and shown"),
        ([1, 2], [1.0], [0.0], "same length"),
    ],
)
def test_impossible_counts_are_rejected(
    position: list[int], impressions: list[float], clicks: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ClickCounts(np.zeros(1, np.int64), np.array(position), np.array(impressions), np.array(clicks))
