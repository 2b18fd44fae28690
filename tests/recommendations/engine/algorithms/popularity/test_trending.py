"""Trending products against answers by hand."""

from dataclasses import replace
from itertools import pairwise
from math import exp

import numpy as np
import pytest

from recommendations.engine import IdMap, Interactions
from recommendations.engine.algorithms.popularity.trending import Trending
from tests.recommendations.engine.makers import make_products, make_random_interactions

DAY = 86_400.0
# product → users per day before and in the window of 7 days, which begins on day 28
DAILY = {"steady": (1, 1), "rising": (1, 4), "falling": (4, 1), "new": (0, 4), "gone": (2, 0)}


def make_shop(daily: dict[str, tuple[int, int]] = DAILY, *, times: int = 1) -> Interactions:
    """Make purchases of 28 days at one rate and 7 days at another; every user buys once."""
    rows = [
        (item, day)
        for item, (before, now) in daily.items()
        for day in range(35)
        for _user in range((before if day < 28 else now) * times)
    ]
    items, days = zip(*rows, strict=True)
    return Interactions.from_ids(
        user_ids=[f"user {number}" for number in range(len(rows))],
        item_ids=items,
        order=np.array(days) * DAY,
        items=IdMap.of(sorted(daily)),
        as_of=35 * DAY,
    )


def score_products(model: Trending, interactions: Interactions) -> dict[str, float]:
    row = model.score(interactions.build_histories(np.array([0])))
    return dict(zip(interactions.items.get_ids(), np.asarray(row)[0].tolist(), strict=True))


def test_lower_bound_of_the_ratio_matches_the_formula() -> None:
    # one product of 3 in the past and 3 now, of the shop's 6 and 6: with prior Gamma(1, 1) the ratio is Gamma(1 + 3, 1 + 3),
    # whose quantile q solves exp(−x)(1 + x + x²/2 + x³/6) = 1 − 0.05 at x = 4 q
    shop = make_shop({"a": (3, 12), "b": (3, 12)})
    shop = shop.select(np.concatenate([[0, 1, 2, 84, 85, 86], 168 + np.array([0, 1, 2, 84, 85, 86])]))
    model = Trending(shrinkage=1.0, half_life_days=None, level=0.0, least=0.0).fit(shop)
    ratio = score_products(model, shop)["a"]
    x = 4 * ratio
    assert exp(-x) * (1 + x + x**2 / 2 + x**3 / 6) == pytest.approx(0.95, abs=1e-5)


def test_new_product_follows_the_exponential_with_a_prior_of_one() -> None:
    # no user in the past, one user now: Gamma(2, 1) at 1 − (1 + x) exp(−x) = 0.05
    shop = make_shop({"old": (1, 1), "new": (0, 1)})
    first = np.flatnonzero((shop.item == shop.items.get_row("new")) & (shop.order == 28 * DAY))
    shop = shop.select(np.concatenate([np.flatnonzero(shop.item == shop.items.get_row("old")), first]))
    x = score_products(Trending(shrinkage=1.0, level=0.0, least=0.0).fit(shop), shop)["new"]
    assert 1 - (1 + x) * exp(-x) == pytest.approx(0.05, abs=1e-5)


def test_only_rising_products_have_a_score() -> None:
    by_product = score_products(Trending(half_life_days=None).fit(make_shop()), make_shop())
    assert {name for name, score in by_product.items() if score > 0} == {"rising", "new"}
    assert by_product["new"] > by_product["rising"]


def test_season_that_lifts_all_products_makes_none_trend() -> None:
    shop = make_shop(dict.fromkeys("abcd", (1, 5)))
    assert max(score_products(Trending(half_life_days=None).fit(shop), shop).values()) == -np.inf


def test_more_users_raise_the_lower_bound() -> None:
    daily = {"steady": (9, 9), "rising": (3, 4)}
    few, many = (
        score_products(Trending(level=0.0).fit(shop), shop) for shop in (make_shop(daily), make_shop(daily, times=20))
    )
    assert few["rising"] == -np.inf
    assert many["rising"] > 1


def test_hundred_clicks_of_one_user_count_as_one_user() -> None:
    shop = make_shop()
    is_in_window = (shop.item == shop.items.get_row("rising")) & (shop.order >= 28 * DAY)
    single_user = replace(
        shop, user=np.where(is_in_window, shop.user[np.argmax(is_in_window)], shop.user).astype(np.int32)
    )
    assert score_products(Trending().fit(single_user), single_user)["rising"] == -np.inf
    weight = np.where(is_in_window, 100.0, 1.0).astype(np.float32)
    heavy = replace(shop, weight=weight)
    assert score_products(Trending().fit(heavy), heavy)["rising"] > 0


def test_level_prefers_the_larger_rise_to_the_steeper() -> None:
    shop = make_shop({"steady": (40, 40), "small": (0, 3), "large": (5, 15)})
    steep, large = (score_products(Trending(level=level).fit(shop), shop) for level in (0.0, 1.0))
    assert steep["small"] > steep["large"] > 0
    assert large["large"] > large["small"] > 0


def test_nothing_trends_without_data_before_the_window() -> None:
    shop = make_shop().after(30 * DAY)
    assert max(score_products(Trending().fit(shop), shop).values()) == -np.inf


@pytest.mark.parametrize("half_life_days", [None, 5.0, 90.0])
@pytest.mark.parametrize("moments", [(150, 200), (100, 103, 104, 110, 200), (1, 120, 200)])
def test_update_equals_a_full_fit(half_life_days: float | None, moments: tuple[int, ...]) -> None:
    everything = make_random_interactions()
    parameters = {"window_days": 10.0, "half_life_days": half_life_days, "least": 0.0}
    expected = Trending(**parameters).fit(everything.before(200 * DAY))
    model = Trending(**parameters).fit(everything.before(moments[0] * DAY), make_products(everything.n_items))
    for since, until in pairwise(moments):
        model = model.update(everything.after(since * DAY).before(until * DAY), since=since * DAY)
    np.testing.assert_allclose(model.scores_, expected.scores_, rtol=1e-4)
    np.testing.assert_allclose(model.past_, expected.past_, rtol=1e-4, atol=1e-6)
    assert sorted(model.order_) == sorted(expected.order_)


@pytest.mark.parametrize(
    ("name", "value"), [("window_days", 0.0), ("shrinkage", 0.0), ("doubt", 1.0), ("least", -1.0), ("level", np.nan)]
)
def test_invalid_parameters_are_rejected(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Trending(**{name: value}).fit(make_shop())
