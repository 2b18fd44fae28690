"""Products of sparse matrices with bounded work and memory."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from recommendations.engine import ALGORITHMS, IdMap, Interactions, recommend
from recommendations.engine.linear_algebra import sparse
from recommendations.engine.linear_algebra.sparse import (
    multiply_dense_matrices,
    multiply_top_k_rows,
    shorten_rows,
    transpose,
)


def make_matrix(n_rows: int, n_columns: int, seed: int = 0) -> csr_array:
    return csr_array(random_array((n_rows, n_columns), density=0.2, rng=np.random.default_rng(seed), dtype=np.float32))


def test_top_k_does_not_depend_on_the_block_size(monkeypatch):
    matrix = make_matrix(3000, 40)
    in_one_block = multiply_top_k_rows(matrix, transpose(matrix), 7, skip=np.arange(3000), shrinkage=2.0, min_terms=2)
    monkeypatch.setattr(sparse, "TOP_K_CELLS", 1)  # 1024 rows at once
    in_blocks = multiply_top_k_rows(matrix, transpose(matrix), 7, skip=np.arange(3000), shrinkage=2.0, min_terms=2)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(in_one_block, name), getattr(in_blocks, name))


def test_entries_with_few_terms_are_left_out():
    matrix = make_matrix(50, 30)
    common = ((matrix > 0).astype(int) @ (matrix > 0).astype(int).T).toarray()
    product = multiply_top_k_rows(matrix, transpose(matrix), 50, min_terms=3).toarray()
    np.testing.assert_allclose(product, np.where(common >= 3, (matrix @ matrix.T).toarray(), 0), rtol=1e-5)


def test_long_rows_keep_their_largest_entries():
    matrix = csr_array(np.array([[1, 5, 2, 5], [0, 3, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2]], np.float32))
    assert shorten_rows(matrix, 2).toarray().tolist() == [[0, 5, 0, 5], [0, 3, 0, 0], [0, 0, 0, 0], [2, 2, 0, 0]]
    assert shorten_rows(matrix, 4) is matrix


def test_dense_product_of_a_row_does_not_depend_on_other_rows():
    draws = np.random.default_rng(3)
    left, right = draws.random((70, 13), np.float32), draws.random((13, 2100), np.float32)
    product = multiply_dense_matrices(left, right)
    np.testing.assert_allclose(product, left @ right, rtol=1e-5)
    for row in (0, 33, 69):
        np.testing.assert_array_equal(multiply_dense_matrices(left[row : row + 1], right)[0], product[row])


@pytest.mark.parametrize(
    "name", ["item-knn", "user-knn", "graph-filter", "rp3beta", "co-purchase", "clusters", "ease", "ials"]
)
def test_user_with_very_many_items_does_not_slow_fitting_down(name):
    n_items = 30_000
    items = IdMap.of([f"{item:05d}" for item in range(n_items)])
    user = np.concatenate([np.zeros(n_items, np.int32), np.repeat(np.arange(1, 41, dtype=np.int32), 5)])
    item = np.concatenate([np.arange(n_items), np.tile([3, 4, 5, 6, 7], 40)])
    parameters = {"ease": {"max_items": 500}, "ials": {"factors": 8, "iterations": 2}}.get(name, {})
    interactions = Interactions.from_rows(
        user=user,
        item=item,
        order=np.zeros(len(user)),
        users=IdMap.of([f"{row:02d}" for row in range(41)]),
        items=items,
    )
    model = ALGORITHMS[name](**parameters).fit(interactions)
    ranking = recommend(model, interactions.build_histories(np.array([0, 1])), 3, exclude_seen=False)
    assert set(ranking.items[1].tolist()) <= {3, 4, 5, 6, 7, -1} | set(range(n_items))
    assert set(ranking.items[1, :1].tolist()) <= {3, 4, 5, 6, 7}
