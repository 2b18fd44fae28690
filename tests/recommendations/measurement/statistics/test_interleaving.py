"""Team draft is fair to both rankings, and the sign test finds the preferred one."""

import numpy as np
import pytest

from recommendations.measurement.statistics.interleaving import compute_preference, interleave_rankings


def test_a_list_has_the_best_of_both_rankings_without_repetition() -> None:
    mixed = interleave_rankings([1, 2, 3, 4], [1, 9, 2, 8], 4, seed=1)
    assert mixed.products[0] == 1
    assert mixed.teams[0] == -1, "what both show first prefers neither"
    assert set(mixed.products[1:3]) == {2, 9}
    assert len(set(mixed.products)) == 4


def test_both_rankings_come_first_equally_often() -> None:
    teams = [interleave_rankings([1, 2], [3, 4], 2, seed=seed).teams[0] for seed in range(2000)]
    assert np.mean(teams) == pytest.approx(0.5, abs=0.04)


def test_short_rankings_end_the_list() -> None:
    assert interleave_rankings([1], [1, 2], 5, seed=1).products == [1, 2]


def test_the_sign_test_leaves_ties_out() -> None:
    preference = compute_preference(10, 30, 500)
    assert preference.share.value == 0.75
    assert preference.share.low > 0.5
    assert preference.p_value == pytest.approx(0.0022, abs=1e-4)  # Binomial(40, ½): P(X ≥ 30) · 2
    assert compute_preference(0, 0, 9).p_value == 1.0
