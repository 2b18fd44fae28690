import numpy as np
import pytest

from recommendations.engine.exploration import (
    MAX_INTERESTED,
    MAX_SHOWN,
    PRIOR_PEOPLE,
    ExplorationTrials,
    draw_interest,
    rank_for_exploration,
)


def make_trials(
    shown: list[int], takers: list[int], *, interested: list[int] | None = None, categories: list[str] | None = None
) -> ExplorationTrials:
    k = len(shown)
    return ExplorationTrials.of(
        [f"p{number:04}" for number in range(k)],
        categories=categories or ["tea"] * k,
        shown=np.array(shown, int),
        takers=np.array(takers, int),
        interested=np.array(takers if interested is None else interested, int),
    )


def draw(trials: ExplorationTrials, seeds: int) -> np.ndarray:
    """Return the draws of every product, shape (seeds, k)."""
    k = len(trials.products)
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**63, k).astype(np.uint64)
    return np.array(
        [
            draw_interest(trials.quantiles, np.arange(k, dtype=np.int32), keys, np.uint64(seed))
            for seed in rng.integers(0, 2**63, seeds)
        ]
    )


def test_nearly_all_of_a_thousand_equal_products_come_first_for_someone() -> None:
    first = draw(make_trials([0] * 1000, [0] * 1000), 10_000).argmax(axis=1)
    times = np.bincount(first, minlength=1000)
    assert (times > 0).mean() > 0.995
    assert times.max() < 40, "on average ten"


def test_draws_narrow_with_more_people_and_follow_their_interest() -> None:
    draws = draw(make_trials([0, 500, 500], [0, 25, 0]), 4000)
    means = draws.mean(axis=0)
    assert means[1] == pytest.approx(0.05, abs=0.005)
    assert means[2] < 0.005
    assert draws.std(axis=0)[0] > 3 * draws.std(axis=0)[1]
    first = np.bincount(draws.argmax(axis=1), minlength=3) / 4000
    assert first[2] < 0.01


def test_draws_have_the_quantiles_of_the_beta_distribution() -> None:
    draws = draw(make_trials([40], [10]), 20_000)[:, 0]
    from scipy.stats import beta

    prior = PRIOR_PEOPLE * (10 + PRIOR_PEOPLE * 0.25) / (40 + PRIOR_PEOPLE)
    expected = beta.ppf([0.5, 0.9, 0.99], prior + 10, PRIOR_PEOPLE - prior + 30)
    np.testing.assert_allclose(np.quantile(draws, [0.5, 0.9, 0.99]), expected, atol=0.006)


def test_same_seed_gives_the_same_draws_and_a_product_keeps_its_own() -> None:
    trials = make_trials([0, 3, 8], [0, 1, 2])
    keys, rows = np.array([5, 6, 7], np.uint64), np.arange(3, dtype=np.int32)
    whole = draw_interest(trials.quantiles, rows, keys, np.uint64(9))
    part = draw_interest(trials.quantiles, rows[1:], keys[1:], np.uint64(9))
    np.testing.assert_array_equal(whole[1:], part)
    assert not np.array_equal(whole, draw_interest(trials.quantiles, rows, keys, np.uint64(10)))


def test_prior_of_the_category_is_shrunk_towards_all() -> None:
    trials = make_trials([100, 0, 100, 0], [20, 0, 0, 0], categories=["tea", "tea", "cake", "cake"])
    tea, cake = (trials.quantiles[row, 8] for row in (1, 3))
    assert tea > trials.quantiles[-1, 8] > cake


def test_products_that_were_shown_often_or_are_known_need_no_trials() -> None:
    trials = make_trials([MAX_SHOWN, MAX_SHOWN - 1, 0], [0, 0, 0], interested=[0, 0, MAX_INTERESTED])
    rows = trials.find_rows(["p0000", "p0001", "p0002", "unknown"])
    assert rows.tolist() == [0, 1, 2, 3]
    assert trials.needs_trials(rows).tolist() == [False, True, False, True]


def test_nearer_candidate_is_tried_first() -> None:
    assert rank_for_exploration(np.array([0.5, 0.5, 0.1]), np.array([0.0, 0.6, 0.6])).tolist() == [1, 2, 0]


def test_without_products_any_product_can_be_drawn() -> None:
    trials = make_trials([], [])
    rows = trials.find_rows(["a", "b"])
    drawn = draw_interest(trials.quantiles, rows, np.array([1, 2], np.uint64), np.uint64(3))
    assert np.isfinite(drawn).all()
    assert trials.needs_trials(rows).all()


def test_arrays_restore_the_same_trials() -> None:
    trials = make_trials([4, 1, 0], [2, 0, 0])
    again = ExplorationTrials.of_arrays(trials.to_arrays())
    assert all((again.to_arrays()[name] == array).all() for name, array in trials.to_arrays().items())
