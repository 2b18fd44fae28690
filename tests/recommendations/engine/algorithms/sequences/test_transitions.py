"""Item transitions against answers by hand."""

import numpy as np
import pytest

from recommendations.engine import Histories, IdMap, Interactions, Products, recommend
from recommendations.engine.algorithms.sequences import transitions
from recommendations.engine.algorithms.sequences.transitions import Transitions
from tests.recommendations.engine.makers import make_products, make_random_interactions

PLAIN = {
    "decay": 0.5,
    "backward": 0.2,
    "length_damping": 0.0,
    "source_damping": 0.0,
    "target_damping": 0.0,
    "smoothing": 1.0,
    "similarity_weight": 0.0,
    "substitutes": 0.0,
}


def make_interactions(*histories: str, catalog: str = "") -> Interactions:
    """Make histories: one word per user, one letter per product, in order."""
    triples = [
        (f"u{user}", item, position) for user, word in enumerate(histories) for position, item in enumerate(word)
    ]
    users, items, order = zip(*triples, strict=True)
    known = IdMap.of(sorted(set(items) | set(catalog)))
    return Interactions.from_ids(user_ids=users, item_ids=items, order=order, items=known)


def make_matrix(model: Transitions) -> np.ndarray:
    return model.neighbors_.toarray()


def test_transitions_of_three_products_match_the_calculation_by_hand():
    model = Transitions(**PLAIN).fit(make_interactions("abc"))
    np.testing.assert_allclose(make_matrix(model), [[0, 1, 0.5], [0.2, 0, 1], [0.1, 0.2, 0]], atol=1e-7)


def test_scores_of_three_products_match_the_calculation_by_hand():
    model = Transitions(**PLAIN, recency=0.5).fit(make_interactions("abc"))
    scores = model.score(Histories.of_lists([[0, 1]], n_items=3)).toarray()
    # b is the newest: 1 · row b + 0.5 · row a
    np.testing.assert_allclose(scores, [[0.2, 0.5, 1.25]], atol=1e-7)


def test_parts_of_a_score_sum_to_it():
    model = Transitions(**PLAIN, recency=0.5).fit(make_interactions("abc"))
    parts = model.explain(Histories.of_lists([[0, 1]], n_items=3), 2)
    assert [(part.item, part.value) for part in parts] == [(1, 1.0), (0, pytest.approx(0.25))]


def test_damping_of_long_histories_and_popular_products_matches_the_calculation_by_hand():
    parameters = {**PLAIN, "length_damping": 1.0, "source_damping": 1.0, "target_damping": 0.5, "smoothing": 2.0}
    model = Transitions(**parameters).fit(make_interactions("ab", "ab"))
    # two pairs, each divided by log2(2 + 2) = 2; (2 + 2)^-1 for the source, (2 + 2)^-0.5 for the target
    np.testing.assert_allclose(make_matrix(model), [[0, 1 / 8], [0.2 / 8, 0]], atol=1e-7)


def test_pairs_beyond_the_reach_do_not_count():
    model = Transitions(**{**PLAIN, "reach": 1}).fit(make_interactions("abc"))
    np.testing.assert_allclose(make_matrix(model), [[0, 1, 0], [0.2, 0, 1], [0, 0.2, 0]], atol=1e-7)


def test_products_of_one_basket_count_both_ways_as_one_step():
    basket = Interactions.from_ids(user_ids=["u"] * 3, item_ids=["a", "b", "c"], order=[1, 1, 2])
    model = Transitions(**PLAIN, recency=0.5).fit(basket)
    np.testing.assert_allclose(make_matrix(model), [[0, 0.6, 1], [0.6, 0, 1], [0.2, 0.2, 0]], atol=1e-7)
    scores = model.score(basket.build_histories()).toarray()
    np.testing.assert_allclose(scores, [[0.3 + 0.2, 0.3 + 0.2, 1.0]], atol=1e-7)


def test_repeated_product_follows_itself():
    model = Transitions(**PLAIN).fit(make_interactions("aba"))
    np.testing.assert_allclose(make_matrix(model), [[0.5 + 0.1, 1 + 0.2], [1 + 0.2, 0]], atol=1e-7)


def test_pairs_weigh_their_geometric_mean_and_weight_zero_is_no_step():
    interactions = Interactions.from_ids(
        user_ids=["u"] * 3, item_ids=["a", "c", "b"], order=[1, 2, 3], weight=[4, 0, 9], items=IdMap.of("abc")
    )
    model = Transitions(**PLAIN).fit(interactions)
    np.testing.assert_allclose(make_matrix(model), [[0, 6, 0], [1.2, 0, 0], [0, 0, 0]], atol=1e-6)


def test_old_interactions_decay_with_the_half_life():
    day = 86_400.0
    interactions = Interactions.from_ids(user_ids=["u"] * 2, item_ids=["a", "b"], order=[0, 2 * day])
    model = Transitions(**PLAIN, half_life_days=1.0).fit(interactions)
    assert make_matrix(model)[0, 1] == pytest.approx(np.sqrt(1 / 4 * 1))


def test_trending_products_count_more():
    day = 86_400.0
    interactions = Interactions.from_ids(
        user_ids=["u", "u", "v", "v"], item_ids=["a", "b", "a", "c"], order=[0, 0, 0, 2 * day]
    )
    parameters = {**PLAIN, "trend": 0.5, "trend_half_life_days": 1.0}
    model = Transitions(**parameters).fit(interactions)
    # of a ¼ + ¼, of b ¼, of c 1 is recent: m = (½ + ¼ + 1) / 4; with s = 1 the share of c is (1 + m) / (1 + 1)
    mean = 1.75 / 4
    rises = [((late + mean) / (count + 1) / mean) ** 0.5 for late, count in ((0.5, 2), (0.25, 1), (1.0, 1))]
    np.testing.assert_allclose(
        make_matrix(model), [[0, 0.6 * rises[1], rises[2]], [0.6 * rises[0], 0, 0], [0.2 * rises[0], 0, 0]], rtol=1e-5
    )


def test_similar_products_count_more():
    interactions = make_interactions("ab", "ac")
    products = Products.of_columns({"brand": ["x", "x", "y"]})
    plain = make_matrix(Transitions(**PLAIN).fit(interactions, products))
    liked = make_matrix(Transitions(**{**PLAIN, "similarity_weight": 2.0}).fit(interactions, products))
    assert plain[0].tolist() == [0, 1, 1]
    np.testing.assert_allclose(liked[0], [0, 3, 1], atol=1e-6)  # the same brand: cosine 1, so 1 + 2 · 1


def test_new_product_has_similar_products_as_successors():
    interactions = make_interactions("ab", catalog="abz")
    products = Products.of_columns({"brand": ["x", "y", "x"]})
    model = Transitions(**{**PLAIN, "substitutes": 1.0}).fit(interactions, products)
    # a and z are similar; √(1 + c) of a is √2, of z 1; scaled to a mean row sum of 1 over the 3 products
    expected = np.array([[0, 1, 0], [0.2, 0, 0], [0, 0, 0]]) + 3 / (1 + np.sqrt(2)) * np.array(
        [[0, 0, 1], [0, 0, 0], [np.sqrt(2), 0, 0]]
    )
    np.testing.assert_allclose(make_matrix(model), expected, atol=1e-6)
    assert model.find_following(2)[0].tolist() == [0]


def test_matrix_equals_the_sum_over_all_pairs(monkeypatch):
    monkeypatch.setattr(transitions, "WINDOW", 7)
    interactions = make_random_interactions(m=800, n_users=30)
    model = Transitions(**{**PLAIN, "decay": 0.8, "length_damping": 0.5}, k=1000, reach=5).fit(interactions)
    expected = np.zeros((interactions.n_items, interactions.n_items))
    histories = interactions.build_histories()
    for row in range(len(histories)):
        history = histories.slice_rows(row, row + 1)
        for i in range(len(history.item)):
            for j in range(i + 1, min(i + 5, len(history.item) - 1) + 1):
                weight = (
                    np.sqrt(history.weight[i] * history.weight[j])
                    * 0.8 ** (j - i - 1)
                    / np.log2(2 + len(history.item)) ** 0.5
                )
                expected[history.item[i], history.item[j]] += weight
                expected[history.item[j], history.item[i]] += 0.2 * weight
    np.testing.assert_allclose(make_matrix(model), expected, rtol=1e-5)


def test_k_keeps_the_strongest_successors_in_order():
    interactions, products = make_random_interactions(), make_products(60)
    everything, truncated = (Transitions(k=k).fit(interactions, products) for k in (1000, 4))
    for item in range(interactions.n_items):
        np.testing.assert_array_equal(truncated.find_following(item)[0], everything.find_following(item)[0][:4])
        assert (np.diff(truncated.find_following(item)[1]) <= 0).all()


def test_cycle_is_followed_in_its_direction():
    circle = "abcdefgh"
    words = [circle[start:] + circle[:start] for start in range(8)]
    model = Transitions(backward=0.1).fit(make_interactions(*[word[:4] for word in words]))
    histories = Histories.of_lists([[0, 1], [6, 7]], n_items=8)
    assert recommend(model, histories, 1, exclude_seen=True).items[:, 0].tolist() == [2, 0]


def test_very_large_basket_is_fitted_within_bounds():
    m = 200_000
    draws = np.random.default_rng(1)
    interactions = Interactions.from_ids(user_ids=["u"] * m, item_ids=draws.integers(0, 50, m), order=np.zeros(m))
    model = Transitions(**PLAIN).fit(interactions)
    pairs = transitions.WINDOW * (2 * m - transitions.WINDOW - 1) / 2
    assert make_matrix(model).sum() == pytest.approx(2 * 0.6 * pairs, rel=1e-4)


@pytest.mark.parametrize(
    "parameters",
    [{"k": 0}, {"reach": 0}, {"decay": 1.5}, {"backward": -0.1}, {"smoothing": 0.0}, {"recency": float("nan")}],
)
def test_invalid_parameters_are_named(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        Transitions(**parameters).fit(make_random_interactions())


def test_products_of_another_catalog_are_rejected():
    with pytest.raises(ValueError, match="items"):
        Transitions().fit(make_random_interactions(), make_products(3))
