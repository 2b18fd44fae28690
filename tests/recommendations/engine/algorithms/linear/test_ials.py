"""Weighted matrix factorization against its closed forms."""

import numpy as np
import pytest

from recommendations.engine import Histories, IdMap, Interactions, recommend
from recommendations.engine.algorithms.linear.ials import IALS
from tests.recommendations.engine.makers import make_checkerboard, make_random_interactions


def make_blocks() -> Interactions:
    """Two tastes; each user has three of the four products of their taste."""
    rows = [(user, item) for user in range(16) for item in range(4) if item != user // 4 % 4]
    users = [f"u{user:02d}" for user, _ in rows]
    items = [f"i{item + 4 * (user % 2)}" for user, item in rows]
    return Interactions.from_ids(user_ids=users, item_ids=items)


def compute_objective(model: IALS, X: np.ndarray, users: np.ndarray, items: np.ndarray) -> float:
    scores = users @ items.T
    has = X > 0
    alpha, scale = model.penalties_
    user_scales = (has.sum(axis=1) + alpha * X.shape[1]) ** model.frequency_exponent
    item_scales = (has.sum(axis=0) + alpha * X.shape[0]) ** model.frequency_exponent
    ridge = user_scales @ np.square(users).sum(axis=1) + item_scales @ np.square(items).sum(axis=1)
    return float((X * np.square(1 - scores)).sum() + alpha * np.square(scores).sum() + scale * ridge)


def test_penalties_are_relative_to_the_data():
    interactions = make_random_interactions()
    X = (interactions.build_user_items().toarray() > 0).astype(float)
    alpha, scale = IALS(regularization=0.3, unobserved_weight=5.0, frequency_exponent=0.8).fit(interactions).penalties_
    assert alpha * X.size == pytest.approx(5.0 * X.sum())
    user_scales = (X.sum(axis=1) + alpha * X.shape[1]) ** 0.8
    item_scales = (X.sum(axis=0) + alpha * X.shape[0]) ** 0.8
    largest = np.linalg.svd(X / np.sqrt(user_scales[:, None] * item_scales))[1][0]
    assert scale == pytest.approx(0.3 * largest, rel=1e-3)


def make_tastes(n_items: int) -> Interactions:
    """Forty users of eight tastes, each with six of its ten products; most of the catalog has no purchases."""
    draws = np.random.default_rng(2)
    rows = [(user, 10 * (user % 8) + item) for user in range(40) for item in draws.permutation(10)[:6]]
    user, item = np.array(rows).T
    return Interactions.from_rows(
        user=user,
        item=item,
        users=IdMap.of([f"{row:02d}" for row in range(40)]),
        items=IdMap.of([f"{row:05d}" for row in range(n_items)]),
    )


@pytest.mark.parametrize("n_items", [80, 20_000])
def test_tastes_are_recovered_for_any_catalog_size(n_items):
    interactions = make_tastes(n_items)
    model = IALS(factors=8).fit(interactions)
    first = recommend(model, interactions.build_histories(), 4, exclude_seen=True).items
    np.testing.assert_array_equal(first // 10, np.tile(np.arange(40)[:, None] % 8, 4))


def test_strongest_allowed_regularization_does_not_collapse():
    interactions = make_random_interactions()
    almost = IALS(factors=4, regularization=0.9, iterations=100).fit(interactions)
    assert np.linalg.norm(almost.item_vectors_) > 0.1


def test_vector_of_a_history_is_the_exact_minimum_given_the_items():
    interactions = make_random_interactions()
    model = IALS(factors=5, regularization=0.05, weighting="log").fit(interactions)
    alpha, scale = model.penalties_
    Y = model.item_vectors_.astype(float)
    w = np.log1p(interactions.build_user_items().toarray().astype(float))
    vectors = model.compute_vectors(interactions.build_histories())
    for user in (0, 7, 33):
        ridge = scale * ((w[user] > 0).sum() + alpha * len(Y))
        system = alpha * Y.T @ Y + ridge * np.eye(5) + (Y.T * w[user]) @ Y
        np.testing.assert_allclose(vectors[user], np.linalg.solve(system, Y.T @ w[user]), rtol=1e-3, atol=1e-5)


def test_every_sweep_lowers_the_objective():
    interactions = make_random_interactions()
    X = (interactions.build_user_items().toarray() > 0).astype(float)
    values = []
    for iterations in (1, 2, 4, 12, 40):
        model = IALS(factors=6, iterations=iterations, seed=3).fit(interactions)
        values.append(
            compute_objective(model, X, model.compute_vectors(interactions.build_histories()), model.item_vectors_)
        )
    assert values == sorted(values, reverse=True)
    assert values[-2] - values[-1] < 0.05 * values[-1], "twelve sweeps are near the end"


def test_unknown_user_scores_like_a_known_one_with_the_same_history():
    interactions = make_blocks()
    model = IALS(factors=4).fit(interactions)
    known = model.score(interactions.build_histories().slice_rows(0, 1))
    stranger = model.score(Histories.of_lists([[1, 2, 3]], n_items=8))
    np.testing.assert_array_equal(known, stranger)


def test_missing_product_of_each_taste_ranks_first():
    interactions = make_blocks()
    model = IALS(factors=4).fit(interactions)
    first = recommend(model, interactions.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user in range(16):
        assert interactions.items.get_id(first[user]) == f"i{user // 4 % 4 + 4 * (user % 2)}"


@pytest.mark.parametrize("model", [IALS(factors=2)])
def test_withheld_squares_of_the_checkerboard_rank_first(model):
    board, withheld = make_checkerboard()
    first = recommend(model.fit(board), board.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.get_id(first[board.users.get_row(user)]) == item


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(IALS(factors=0), "factors"), (IALS(steps=0), "steps"),
     (IALS(regularization=0.0), "regularization"), (IALS(regularization=1.0), "regularization"), (IALS(unobserved_weight=-1.0), "unobserved_weight")],
)  # fmt: skip
def test_invalid_parameters_are_named(model, parameter):
    with pytest.raises(ValueError, match=parameter):
        model.fit(make_random_interactions())
