"""Popularity against known answers."""

import numpy as np
import pytest

from recommendations.engine import Interactions, Products
from recommendations.engine.algorithms.popularity.popularity import Popularity
from tests.recommendations.engine.makers import make_products, make_random_interactions

DAY = 86_400.0


def test_popularity_halves_with_every_half_life():
    interactions = Interactions.from_ids(
        user_ids=["a", "b", "c"], item_ids=["x", "x", "y"], order=[0.0, 10 * DAY, 20 * DAY], weight=[8, 4, 1]
    )
    np.testing.assert_allclose(Popularity(half_life_days=10).fit(interactions).counts_, [8 / 4 + 4 / 2, 1])
    np.testing.assert_allclose(Popularity().fit(interactions).counts_, [12, 1])


def test_popularity_of_a_category_contains_only_its_items():
    interactions = Interactions.from_ids(user_ids=list("abcd"), item_ids=["x", "x", "y", "z"])
    products = Products.of_columns({"category": ["toys", "food", "toys"]})
    model = Popularity().fit(interactions, products)
    ranking = model.select_top(3, category=products.categories.get_row("toys"))
    assert ranking.items.tolist() == [[0, 2, -1]]


@pytest.mark.parametrize("half_life", [0, -1, float("nan")])
def test_half_life_must_be_positive(half_life):
    with pytest.raises(ValueError, match="half_life_days"):
        Popularity(half_life_days=half_life).fit(make_random_interactions())


@pytest.mark.parametrize("half_life_days", [None, 0.001, 30.0])
@pytest.mark.parametrize("parts", [(0.5,), (0.2, 0.7), (0.0001, 0.999)])
def test_update_equals_a_full_fit(half_life_days: float | None, parts: tuple[float, ...]) -> None:
    everything = make_random_interactions()
    products = make_products(everything.n_items)
    expected = Popularity(half_life_days=half_life_days).fit(everything, products)
    first, last = everything.order.min(), everything.order.max()
    moments = [first + part * (last - first) + 1e-6 for part in parts]
    model = Popularity(half_life_days=half_life_days).fit(everything.before(moments[0]), products)
    for since, until in zip(moments, [*moments[1:], None], strict=True):
        new_interactions = everything.after(since) if until is None else everything.before(until).after(since)
        model = model.update(new_interactions, since=since)
    np.testing.assert_allclose(model.counts_, expected.counts_, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.category_, expected.category_)
