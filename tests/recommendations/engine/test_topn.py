"""Selection of the n best items."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine import KIND_CODES, Histories, IdMap, Interactions, recommend, select_top_n, topn
from recommendations.engine.algorithms.popularity.popularity import Popularity
from tests.recommendations.engine.makers import make_random_interactions


def test_best_items_come_first_and_ties_go_to_the_lower_row():
    assert select_top_n(np.array([[1, 3, 2, 3]], np.float32), 3).items.tolist() == [[1, 3, 2]]


def test_agrees_with_sorting_everything():
    scores = np.random.default_rng(2).integers(0, 30, (200, 300)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :25]
    np.testing.assert_array_equal(select_top_n(scores, 25).items, expected)
    np.testing.assert_array_equal(select_top_n(csr_array(scores + 1), 25).items, expected)


@pytest.mark.parametrize("missing", [np.nan, -np.inf])
def test_items_without_a_score_never_appear(missing):
    ranking = select_top_n(np.array([[missing, -5, missing]], np.float32), 3)
    assert ranking.items.tolist() == [[1, -1, -1]]
    assert ranking.scores[0, 1] == -np.inf


def test_only_stored_entries_of_sparse_scores_appear():
    assert select_top_n(csr_array(np.array([[0, 2, 0, 1]], np.float32)), 4).items.tolist() == [[1, 3, -1, -1]]


def test_exclusions_apply_only_to_their_own_row():
    scores = np.array([[3, 2, 1], [3, 2, 1]], np.float32)
    exclude = csr_array(np.array([[1, 0, 0], [0, 1, 0]]))
    assert select_top_n(scores, 2, exclude=exclude).items.tolist() == [[1, 2], [0, 2]]


def test_disallowed_items_never_appear_even_if_also_excluded():
    scores = np.array([[3, 2, 1]] * 2, np.float32)
    exclude = csr_array(np.array([[1, 0, 0], [0, 0, 0]]))
    ranking = select_top_n(scores, 3, exclude=exclude, allowed=np.array([False, True, True]))
    assert ranking.items.tolist() == [[1, 2, -1]] * 2


def test_random_ties_depend_only_on_the_seed_and_are_uniform():
    scores = np.zeros((4000, 5), np.float32)
    first = select_top_n(scores, 1, tie_seed=3).items[:, 0]
    np.testing.assert_array_equal(first, select_top_n(scores, 1, tie_seed=3).items[:, 0])
    assert (first != select_top_n(scores, 1, tie_seed=4).items[:, 0]).any()
    assert np.bincount(first, minlength=5).min() > 700  # 800 expected, 28 standard deviation


def test_random_ties_never_change_the_order_of_unequal_scores():
    scores = np.random.default_rng(0).permuted(np.tile(np.arange(50, dtype=np.float32), (30, 1)), axis=1)
    np.testing.assert_array_equal(select_top_n(scores, 10, tie_seed=1).items, select_top_n(scores, 10).items)


def test_block_size_does_not_change_the_result(monkeypatch):
    interactions = make_random_interactions()
    model = Popularity().fit(interactions)
    in_one_block = recommend(model, interactions.build_histories(), 7, exclude_seen=True, tie_seed=1).items
    monkeypatch.setattr(topn, "BLOCK_BYTES", 4 * interactions.n_items * 3)
    np.testing.assert_array_equal(
        recommend(model, interactions.build_histories(), 7, exclude_seen=True, tie_seed=1).items, in_one_block
    )


def test_dense_scores_never_exceed_the_block(monkeypatch):
    interactions = make_random_interactions()
    block_sizes = []

    class Watched(Popularity):
        def score(self, histories: Histories):
            block_sizes.append(len(histories))
            return super().score(histories)

    monkeypatch.setattr(topn, "BLOCK_BYTES", 4 * interactions.n_items * 10)
    recommend(Watched().fit(interactions), interactions.build_histories(), 7, exclude_seen=True)
    assert max(block_sizes) == 10
    assert sum(block_sizes) == interactions.n_users


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be"),
        ({"n": 1, "allowed": np.ones(2, bool)}, "allowed has shape"),
        ({"n": 1, "exclude": csr_array((1, 2))}, "exclude has shape"),
    ],
)
def test_invalid_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        select_top_n(np.zeros((1, 3), np.float32), **arguments)


def test_only_the_given_kinds_make_an_item_seen() -> None:
    view, purchase = KIND_CODES["view"], KIND_CODES["purchase"]
    histories = Histories.of_lists([[0, 1], [], [2]], n_items=3, kinds=[[view, purchase], [], [view]])
    assert histories.get_seen_items([purchase]).toarray().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert histories.get_seen_items().toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    interactions = Interactions.from_rows(
        user=[0, 0, 1], item=[0, 1, 2], users=IdMap.of(["a", "b"]), items=IdMap.of(["x", "y", "z"])
    )
    model = Popularity().fit(interactions)
    ranked = recommend(model, histories, 3, exclude_seen=True, seen_kinds=[purchase]).items
    assert [sorted(row[row >= 0].tolist()) for row in ranked] == [[0, 2], [0, 1, 2], [0, 1, 2]]
