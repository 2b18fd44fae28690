"""Team draft is fair to both rankings, and the sign test finds the preferred one."""

import numpy as np
import pytest
from scipy.stats import binom

from config.foundation.statistics import limit_share
from recommendations.measurement.statistics.interleaving import (
    COUNTED_CLICKS,
    compute_click_share,
    compute_preference,
    count_needed_people,
    find_smallest_share,
    interleave_rankings,
)
from recommendations.measurement.statistics.sequential import compute_critical_value


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


def list_coins(seed: int, n: int) -> list[int]:
    """Return the team that each round's coin puts first."""
    rng = np.random.default_rng(seed)
    return [0 if rng.random() < 0.5 else 1 for _round in range(n)]


def test_a_draft_by_hand() -> None:
    seed = next(seed for seed in range(99) if list_coins(seed, 3) == [1, 0, 1])
    mixed = interleave_rankings([1, 2, 3, 4, 5], [1, 4, 2, 6, 7], 7, seed=seed)
    # 1 is common; round 1: variant 4, control 2; round 2: control 3, variant 6 (2 is shown); round 3: variant 7, control 5
    assert mixed.products == [1, 4, 2, 3, 6, 7, 5]
    assert mixed.teams == [-1, 1, 0, 0, 1, 1, 0]
    shorter = interleave_rankings([1, 2, 3, 4, 5], [1, 4, 2, 6, 7], 4, seed=seed)
    assert (shorter.products, shorter.teams) == (mixed.products[:4], mixed.teams[:4])


def test_the_rest_of_a_longer_ranking_belongs_to_neither() -> None:
    mixed = interleave_rankings([1, 2, 3, 4], [9], 9, seed=3)
    assert sorted(mixed.products) == [1, 2, 3, 4, 9]
    assert sorted(mixed.teams) == [-1, -1, -1, 0, 1]


def test_random_clicks_prefer_no_team() -> None:
    """Clicks that follow the position alone are as frequent on both, within the 99.9% bounds of the binomial distribution."""
    rng, of_variant, clicks = np.random.default_rng(5), 0, 0
    examined = 1 / np.arange(1, 11)
    for seed in range(3000):
        first, second = rng.permutation(30)[:12].tolist(), rng.permutation(30)[:12].tolist()
        teams = np.array(interleave_rankings(first, second, 10, seed=seed).teams)
        clicked = teams[(rng.random(10) < 0.3 * examined) & (teams >= 0)]
        of_variant, clicks = of_variant + int(clicked.sum()), clicks + len(clicked)
    low, high = binom.interval(0.999, clicks, 0.5)
    assert low <= of_variant <= high


def test_people_who_click_once_count_as_in_a_score_test() -> None:
    """With d = ±1, the interval is Wilson's of second ÷ people with the always-valid critical value."""
    found = compute_click_share(110, 70 - 40, 110, fraction=0.5)
    z = compute_critical_value(0.5)
    low = float(limit_share(70 / 110, 110.0, -z))
    assert (found.share.value, found.share.low) == pytest.approx((70 / 110, low))
    assert found.share.low < compute_preference(40, 70, 0).share.low, "daily looks need a wider interval"
    for second in range(60, 80):
        found = compute_click_share(110, 2 * second - 110, 110, fraction=0.5)
        assert (found.p_value < 0.05) == (found.share.low > 0.5)
    assert compute_click_share(3, 0, 0, fraction=0.1).share.high == 1


def test_people_who_click_several_products_say_more() -> None:
    # 100 people with one click or with four each, 60% of them on products of the variant
    once, several = compute_click_share(100, 20, 100, fraction=1.0), compute_click_share(400, 80, 400, fraction=1.0)
    assert once.share.low < 0.5 < several.share.low
    assert once.share.value == several.share.value == 0.6


def test_daily_looks_raise_no_false_alarms_if_people_arrive_over_time_and_click_often() -> None:
    """300 people without a preference arrive over 60 days and click about once a day; the share of their clicks raised 1 in 7."""
    rng, days, alarms = np.random.default_rng(4), 60, 0
    critical = np.array([compute_critical_value((day / days) ** 2) for day in range(1, days + 1)])
    for _experiment in range(200):
        present = np.arange(days) >= rng.integers(0, days, 300)[:, None]
        clicks = rng.poisson(1.0 * present)
        left = np.minimum(np.cumsum(clicks, axis=1), COUNTED_CLICKS)
        counted = np.diff(left, axis=1, prepend=0)
        d = np.cumsum(2 * rng.binomial(counted, 0.5) - counted, axis=1)
        squares, people = (d**2).sum(axis=0), (left > 0).sum(axis=0)
        crossed = (people >= 20) & (np.abs(d.sum(axis=0)) > critical * np.sqrt(np.maximum(squares, 1)))
        alarms += bool(crossed.any())
    assert alarms <= 16, "5% of 200 experiments, and two standard errors"


def test_the_needed_people_show_the_preference_in_four_of_five_cases() -> None:
    needed = count_needed_people(0.6)
    shown = next(
        n
        for n in range(needed // 2, needed)
        if compute_click_share(needed, 2 * n - needed, needed, fraction=1).share.low > 0.5
    )
    assert binom.sf(shown - 1, needed, 0.6) == pytest.approx(0.8, abs=0.03)
    assert find_smallest_share(needed) == pytest.approx(0.6, abs=0.001)
    assert find_smallest_share(5) is None
