"""The computed probability of a choice is how often the draws make it."""

from collections import Counter
from math import sqrt

import numpy as np
import numpy.typing as npt

from recommendations.engine.exploration import ExplorationTrials, draw_interest
from recommendations.engine.exploration_propensities import compute_choice_propensities

SHOWN, TAKERS = (0, 0, 40, 400, 10, 200), (0, 0, 6, 30, 0, 9)
FACTORS = np.array([0.4, 0.5, 0.6, 0.9, 0.7, 1.1], np.float32)
ROWS = np.arange(len(SHOWN), dtype=np.int32)
LEFT_OUT = 5  # is not eligible any more after the first choice


def make_trials() -> ExplorationTrials:
    return ExplorationTrials.of(
        [f"p{number}" for number in ROWS],
        categories=["tea"] * len(ROWS),
        shown=np.array(SHOWN),
        takers=np.array(TAKERS),
        interested=np.array(TAKERS),
    )


def draw(trials: ExplorationTrials, seeds: int) -> npt.NDArray[np.float32]:
    """Return the draws of every product, shape (seeds, products)."""
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**63, len(ROWS)).astype(np.uint64)
    numbers = rng.integers(0, 2**63, seeds).astype(np.uint64)
    return np.array([draw_interest(trials.quantiles, ROWS, keys, number) for number in numbers])


def choose_propensities(trials: ExplorationTrials, *chosen: int) -> list[float]:
    """Return the probabilities of these choices, after the first of which LEFT_OUT leaves."""
    leaves = np.full(len(ROWS), len(chosen), np.int64)
    leaves[LEFT_OUT] = 1
    for slot, product in enumerate(chosen):
        leaves[product] = slot + 1
    return compute_choice_propensities(
        trials.quantiles, ROWS, FACTORS, -1.0, np.array(chosen, np.int64), leaves
    ).tolist()


def test_a_first_and_a_second_choice_have_the_frequency_of_their_probability() -> None:
    trials, n = make_trials(), 40_000
    values = draw(trials, n) * FACTORS
    first = values.argmax(axis=1)
    remaining = values.copy()
    remaining[np.arange(n), first] = -1
    remaining[:, LEFT_OUT] = -1
    pairs = Counter(zip(first.tolist(), remaining.argmax(axis=1).tolist(), strict=True))
    times = Counter(first.tolist())
    compared = 0
    for (one, two), count in pairs.items():
        if count < 100:
            continue
        at_first, at_second = choose_propensities(trials, one, two)
        assert abs(times[one] / n - at_first) < 4 * sqrt(at_first * (1 - at_first) / n)
        spread = sqrt(at_second * (1 - at_second) / times[one])
        assert abs(count / times[one] - at_second) < 4 * spread, (one, two)
        compared += 1
    assert compared >= 6
    assert abs(sum(choose_propensities(trials, product)[0] for product in ROWS.tolist()) - 1) < 0.002


def test_where_only_the_largest_draws_take_part_the_choice_has_its_probability_among_them() -> None:
    trials, expected, chosen = make_trials(), np.zeros(len(ROWS)), np.zeros(len(ROWS))
    variance = np.zeros(len(ROWS))
    for draws in draw(trials, 1_500):
        order = np.argsort(-draws)
        pool, threshold = order[:4], float(draws[order[4]])
        shares = np.array(
            [
                compute_choice_propensities(
                    trials.quantiles,
                    ROWS[pool],
                    FACTORS[pool],
                    threshold,
                    np.array([number]),
                    np.ones(len(pool), np.int64),
                )[0]
                for number in range(len(pool))
            ]
        )
        assert abs(shares.sum() - 1) < 0.01
        expected[pool] += shares
        variance[pool] += shares * (1 - shares)
        chosen[pool[(draws[pool] * FACTORS[pool]).argmax()]] += 1
    assert (np.abs(chosen - expected) < 4 * np.sqrt(variance) + 1).all()
