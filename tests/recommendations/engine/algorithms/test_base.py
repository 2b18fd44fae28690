"""The contract of every registered algorithm."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse

from recommendations.engine import (
    ALGORITHMS,
    Algorithm,
    Histories,
    Interactions,
    NotFittedError,
    NothingToLearnError,
    WrongModelError,
    recommend,
    restore,
)
from recommendations.engine.algorithms.base import register
from tests.recommendations.engine.makers import VARIANTS, make_algorithm, make_products, make_random_interactions

INTERACTIONS = make_random_interactions()
PRODUCTS = make_products(INTERACTIONS.n_items)
N = INTERACTIONS.n_items
NAMES = sorted({*ALGORITHMS, *VARIANTS})
make = make_algorithm


def make_dense(algorithm: Algorithm, histories: Histories) -> np.ndarray:
    """Return dense scores with -inf where there is no score."""
    scores = algorithm.score(histories)
    if not issparse(scores):
        return np.array(scores)
    full = np.full(scores.shape, -np.inf, np.float32)
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    full[rows, scores.indices] = scores.data
    return full


@pytest.fixture(scope="module")
def fitted() -> dict[str, Algorithm]:
    return {name: make(name).fit(INTERACTIONS, PRODUCTS) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
class TestEveryAlgorithm:
    @pytest.fixture
    def model(self, name, fitted):
        return fitted[name]

    def test_init_stores_parameters_and_nothing_else(self, name):
        algorithm = make(name)
        assert vars(algorithm) == algorithm.get_parameters()

    def test_fit_returns_the_algorithm_and_leaves_parameters_alone(self, name):
        algorithm = make(name)
        before = json.dumps(algorithm.get_parameters())
        assert algorithm.fit(INTERACTIONS, PRODUCTS) is algorithm
        assert json.dumps(algorithm.get_parameters()) == before

    def test_use_before_fit_is_rejected(self, name):
        histories = INTERACTIONS.build_histories()
        for use in (
            lambda a: a.score(histories),
            lambda a: a.explain(histories.slice_rows(0, 1), 0),
            lambda a: a.to_arrays(),
        ):
            with pytest.raises(NotFittedError, match="fit"):
                use(make(name))

    def test_scores_have_one_row_a_history_and_one_column_an_item(self, model):
        scores = model.score(INTERACTIONS.build_histories())
        assert scores.shape == (INTERACTIONS.n_users, N)
        assert scores.dtype == np.float32
        assert isinstance(scores, np.ndarray | csr_array)

    def test_unknown_user_with_a_history_is_served(self, model):
        ranking = recommend(model, Histories.of_lists([[3, 1, 4]], n_items=N), 5, exclude_seen=False)
        assert (ranking.items[0, :3] >= 0).all()

    def test_empty_history_gives_only_finite_scores(self, model):
        ranking = recommend(model, Histories.of_lists([[]], n_items=N), 5, exclude_seen=True)
        is_filled = ranking.items[0] >= 0
        assert np.isfinite(ranking.scores[0, is_filled]).all()
        assert (ranking.scores[0, ~is_filled] == -np.inf).all()

    def test_scores_of_one_item_equal_its_column(self, model):
        histories = INTERACTIONS.build_histories()
        matrix = make_dense(model, histories)
        for item in (0, 3, N - 1):
            column = np.where(np.isfinite(matrix[:, item]), matrix[:, item], 0)
            item_scores = model.score_item(histories, item)
            assert item_scores.shape == (len(histories),)
            assert item_scores == pytest.approx(column, rel=1e-4, abs=1e-6)

    def test_no_histories_give_no_rows(self, model):
        assert recommend(model, Histories.of_lists([], n_items=N), 5, exclude_seen=True).items.shape == (0, 5)

    def test_n_larger_than_the_catalog_is_padded(self, model):
        items = recommend(model, INTERACTIONS.build_histories(), N + 7, exclude_seen=False).items
        assert items.shape == (INTERACTIONS.n_users, N + 7)
        assert (items[:, N:] == -1).all()
        for row in items:
            ranked = row[row >= 0]
            assert len(set(ranked.tolist())) == len(ranked)

    def test_exclusions_are_respected(self, model):
        allowed = np.arange(N) % 3 > 0
        histories = INTERACTIONS.build_histories()
        items = recommend(model, histories, 20, exclude_seen=True, allowed=allowed).items
        for row in range(len(histories)):
            ranked = set(items[row][items[row] >= 0].tolist())
            assert not ranked & set(histories.slice_rows(row, row + 1).item.tolist())
            assert all(allowed[item] for item in ranked)

    def test_batch_equals_single(self, model):
        histories = INTERACTIONS.build_histories()
        batch = make_dense(model, histories)
        single = np.concatenate(
            [make_dense(model, histories.slice_rows(row, row + 1)) for row in range(len(histories))]
        )
        np.testing.assert_array_equal(batch, single)

    def test_fitting_again_gives_the_same_result(self, name, model):
        again = make(name).fit(INTERACTIONS, PRODUCTS)
        np.testing.assert_array_equal(
            make_dense(model, INTERACTIONS.build_histories()), make_dense(again, INTERACTIONS.build_histories())
        )

    def test_fit_discards_the_previous_fit(self, name, model):
        other = make_random_interactions(seed=6)
        refitted = make(name).fit(other, PRODUCTS).fit(INTERACTIONS, PRODUCTS)
        np.testing.assert_array_equal(
            make_dense(model, INTERACTIONS.build_histories()), make_dense(refitted, INTERACTIONS.build_histories())
        )

    def test_order_of_lines_does_not_matter(self, name, model):
        shuffled = INTERACTIONS.select(np.random.default_rng(1).permutation(len(INTERACTIONS)))
        np.testing.assert_allclose(
            make_dense(model, INTERACTIONS.build_histories()),
            make_dense(make(name).fit(shuffled, PRODUCTS), INTERACTIONS.build_histories()),
            rtol=1e-5,
        )

    def test_loaded_model_gives_the_same_result(self, model, tmp_path):
        arrays, saved = model.to_arrays()
        saved = json.loads(json.dumps(saved))
        for number, array in enumerate(arrays.values()):
            np.save(tmp_path / f"{number}.npy", array, allow_pickle=False)
        mapped = {key: np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number, key in enumerate(arrays)}
        loaded = restore(mapped, saved)
        np.testing.assert_array_equal(
            make_dense(model, INTERACTIONS.build_histories()), make_dense(loaded, INTERACTIONS.build_histories())
        )
        assert loaded.explain(INTERACTIONS.build_histories().slice_rows(0, 1), 3) == model.explain(
            INTERACTIONS.build_histories().slice_rows(0, 1), 3
        )

    def test_loaded_arrays_stay_memory_mapped(self, model, tmp_path):
        arrays, saved = model.to_arrays()
        for number, array in enumerate(arrays.values()):
            np.save(tmp_path / f"{number}.npy", array, allow_pickle=False)
        mapped = {key: np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number, key in enumerate(arrays)}
        for key, array in restore(mapped, saved).to_arrays()[0].items():
            assert array.size == 0 or np.shares_memory(array, mapped[key]), f"{key} was copied"

    def test_incomplete_saved_model_is_rejected(self, name, model):
        arrays, saved = model.to_arrays()
        with pytest.raises(WrongModelError):
            restore({}, saved)
        with pytest.raises(WrongModelError, match="unknown"):
            restore(arrays, {**saved, "algorithm": "oracle"})
        with pytest.raises(WrongModelError, match=model.name):
            type(model).from_arrays(arrays, {**saved, "algorithm": "oracle"})

    def test_explanation_sums_to_the_score(self, model):
        histories = INTERACTIONS.build_histories()
        scores = make_dense(model, histories)
        for row in range(12):
            for item in range(0, N, 5):
                total = sum(part.value for part in model.explain(histories.slice_rows(row, row + 1), item))
                expected = scores[row, item] if np.isfinite(scores[row, item]) else 0.0
                assert total == pytest.approx(expected, rel=2e-4, abs=1e-5)

    def test_explanation_names_only_items_of_the_history(self, model):
        history = INTERACTIONS.build_histories().slice_rows(3, 4)
        for item in range(N):
            assert {part.item for part in model.explain(history, item)} <= {-1, *history.item.tolist()}

    def test_interactions_after_the_split_change_nothing(self, name):
        split_at = 100 * 86_400.0
        past = INTERACTIONS.before(split_at)
        later = Interactions.from_rows(
            user=np.append(past.user, [0, 1]),
            item=np.append(past.item, [2, 2]),
            order=np.append(past.order, [split_at, split_at + 1]),
            weight=np.append(past.weight, [50, 50]),
            users=past.users,
            items=past.items,
        )
        without_future, with_future = make(name).fit(past, PRODUCTS), make(name).fit(later.before(split_at), PRODUCTS)
        np.testing.assert_array_equal(
            make_dense(without_future, past.build_histories()),
            make_dense(with_future, later.before(split_at).build_histories()),
        )

    def test_histories_over_another_catalog_are_rejected(self, model):
        with pytest.raises(ValueError, match="items"):
            model.score(Histories.of_lists([[0]], n_items=N + 1))


BAD = sorted(set(ALGORITHMS) - {"content"})


@pytest.mark.parametrize("name", BAD)
def test_empty_training_data_are_rejected_with_a_reason(name):
    with pytest.raises(NothingToLearnError, match="no interaction"):
        make(name).fit(INTERACTIONS.select(np.array([], np.int64)), PRODUCTS)


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - {"content", "blend"}))
def test_all_zero_weights_are_rejected(name):
    with pytest.raises(NothingToLearnError, match="above 0"):
        make(name).fit(replace(INTERACTIONS, weight=np.zeros_like(INTERACTIONS.weight)), PRODUCTS)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
@pytest.mark.parametrize(
    ("users", "items"),
    [(["a"], ["x"]), (["a"] * 4, ["x", "y", "z", "x"]), (["a", "b", "c"], ["x"] * 3), (["a", "b"] * 3, ["x", "y"] * 3)],
    ids=["one interaction", "one person", "one item", "all ties with duplicates"],
)
def test_tiny_data_are_accepted(name, users, items):
    interactions = Interactions.from_ids(user_ids=users, item_ids=items)
    model = make(name).fit(interactions, make_products(interactions.n_items))
    items = recommend(model, interactions.build_histories(), 10, exclude_seen=False).items
    assert items.shape == (interactions.n_users, 10)
    assert items.max() < interactions.n_items


def test_duplicate_name_is_rejected():
    class Second(ALGORITHMS["popularity"]):
        name = "popularity"

    with pytest.raises(ValueError, match="taken"):
        register(Second)
