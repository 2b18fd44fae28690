"""Neighbors computed by expressions are the arrays of the algorithms."""

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from recommendations.engine import Interactions
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from recommendations.training.data.pair_counts import (
    build_basket_neighbors,
    build_item_neighbors,
    build_neighbor_matrix,
    build_popularity,
    build_transitions,
)

PEOPLE, PRODUCTS = 40, 9


def make_purchases() -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table(
        {
            "customer_id": rng.integers(0, PEOPLE, 300),
            "product_id": [f"P{number}" for number in rng.integers(0, PRODUCTS, 300)],
            "at": rng.integers(0, 60, 300),
            "weight": rng.integers(1, 4, 300).astype(np.float64),
        }
    )


def to_dense(matrix: csr_array) -> npt.NDArray[np.float32]:
    return np.asarray(matrix.toarray(), np.float32)


def test_neighbors_of_products_are_those_of_item_knn() -> None:
    purchases = make_purchases()
    interactions = Interactions.from_ids(
        user_ids=purchases["customer_id"].to_numpy(),
        item_ids=purchases["product_id"].to_pylist(),
        weight=purchases["weight"].to_numpy(),
    )
    expected = ItemKNN(k=4, shrinkage=3.0).fit(interactions).neighbors_
    order = interactions.items.get_rows([f"P{number}" for number in range(PRODUCTS)])
    rows = build_item_neighbors(ibis.memtable(purchases), k=4, shrinkage=3.0).to_pyarrow()
    matrix = build_neighbor_matrix(rows, value="similarity", size=PRODUCTS)
    np.testing.assert_allclose(to_dense(matrix), to_dense(expected)[np.ix_(order, order)], rtol=1e-5)
    assert matrix.data.dtype == expected.data.dtype
    assert matrix.indices.dtype == expected.indices.dtype
    assert all(
        np.all(np.diff(matrix.data[low:high]) <= 0) for low, high in zip(matrix.indptr, matrix.indptr[1:], strict=False)
    )


def test_baskets_and_transitions_by_hand() -> None:
    rows = [(1, "a", 1), (1, "b", 1), (2, "a", 1), (2, "b", 1), (2, "c", 2), (3, "a", 5), (3, "c", 6)]
    purchases = ibis.memtable(
        pa.table(
            {
                "customer_id": [row[0] for row in rows],
                "product_id": [row[1] for row in rows],
                "at": [row[2] for row in rows],
                "weight": [1.0] * len(rows),
            }
        )
    )
    baskets = build_basket_neighbors(purchases, k=5).order_by("row").to_pyarrow().to_pylist()
    assert [(row["row"], row["neighbor"], row["baskets"]) for row in baskets] == [(0, 1, 2), (1, 0, 2)]
    assert [row["confidence"] for row in baskets] == [2 / 3, 1.0]
    moves = build_transitions(purchases, k=5).order_by("row", "neighbor").to_pyarrow().to_pylist()
    assert moves == [
        {"row": 0, "neighbor": 1, "count": 2.0},
        {"row": 0, "neighbor": 2, "count": 1.0},
        {"row": 1, "neighbor": 2, "count": 1.0},
    ]
    popular = build_popularity(purchases).order_by("product_id").to_pyarrow().to_pylist()
    assert popular[0] == {"product_id": "a", "weight": 3.0, "people": 3}
