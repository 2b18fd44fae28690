import numpy as np
import pytest

from recommendations.engine import Histories, Interactions
from recommendations.engine.algorithms.neighbors.tifu_knn import TifuKNN
from recommendations.engine.data.weighting import DAY

X, Y, Z = 0, 1, 2


def make_baskets() -> Interactions:
    """a: {x}, {x, y}, {y}; b: {x}, {z}; c: {z}."""
    rows = [("a", "x", 0), ("a", "x", 1), ("a", "y", 1), ("a", "y", 2), ("b", "x", 0), ("b", "z", 1), ("c", "z", 0)]
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=np.array(days) * DAY)


# Groups of two, counted from the newest: a has {{x, y}, {y}} and {{x}}, b has {{x}, {z}}, c has {{z}}.
PARAMETERS = {"group_size": 2, "basket_decay": 0.8, "group_decay": 0.5}
VECTORS = [
    # newest group: x .8 / 2, y (.8 + 1) / 2; oldest: x 1 / 1, aged .5; both over two groups
    [(0.4 + 0.5) / 2, 0.9 / 2, 0],
    [0.8 / 2, 0, 1 / 2],
    [0, 0, 1],
]


def test_vectors_are_those_computed_by_hand() -> None:
    baskets = make_baskets()
    model = TifuKNN(**PARAMETERS).fit(baskets)
    np.testing.assert_allclose(model.rows_.toarray(), VECTORS, rtol=1e-6)


def test_the_nearest_customers_add_their_mean() -> None:
    baskets = make_baskets()
    model = TifuKNN(**PARAMETERS, k=1, own_share=0.7).fit(baskets)
    # Nearest to b: squared distance to a .05² + .45² + .5² = .455, to c .4² + .5² = .41.
    expected = 0.7 * np.array(VECTORS[1]) + 0.3 * np.array(VECTORS[2])
    np.testing.assert_allclose(model.score(baskets.build_histories())[[1]].toarray()[0], expected, rtol=1e-5)


def test_customers_without_a_common_product_are_no_neighbors() -> None:
    baskets = make_baskets()
    model = TifuKNN(**PARAMETERS, k=5, own_share=0.5).fit(baskets)
    expected = 0.5 * np.array(VECTORS[0]) + 0.5 * np.array(VECTORS[1])  # a has no product in common with c
    np.testing.assert_allclose(model.score(baskets.build_histories())[[0]].toarray()[0], expected, rtol=1e-5)


def test_a_product_on_two_lines_of_a_basket_counts_once() -> None:
    model = TifuKNN(kinds=None).fit(make_baskets())
    once, twice = (Histories.of_lists([items], n_items=3, orders=[[0.0] * len(items)]) for items in ([X, Y], [X, X, Y]))
    np.testing.assert_array_equal(model.compare_baskets(once).toarray(), model.compare_baskets(twice).toarray())


def test_reasons_name_the_product_itself_and_what_neighbors_have_in_common() -> None:
    baskets = make_baskets()
    model = TifuKNN(**PARAMETERS, k=1, own_share=0.7).fit(baskets)
    history = baskets.build_histories(np.array([0]))
    own, neighbor = model.explain(history, X)
    assert (own.item, own.value) == (X, pytest.approx(0.7 * VECTORS[0][X]))
    assert (neighbor.item, neighbor.value) == (X, pytest.approx(0.3 * VECTORS[1][X]))
    (from_neighbor,) = model.explain(history, Z)
    assert (from_neighbor.item, from_neighbor.value) == (X, pytest.approx(0.3 * VECTORS[1][Z]))


@pytest.mark.parametrize("wrong", [{"group_size": 0}, {"k": 0}, {"own_share": 0.0}, {"group_decay": 1.5}])
def test_wrong_parameters_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TifuKNN(**wrong).fit(make_baskets())
