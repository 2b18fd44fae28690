"""Singular vectors against the exact ones."""

import numpy as np

from recommendations.engine.linear_algebra.low_rank import compute_right_singular_vectors
from tests.recommendations.engine.makers import make_checkerboard, make_random_interactions


def test_singular_vectors_span_the_exact_subspace():
    matrix = make_random_interactions().build_user_items()
    vectors = compute_right_singular_vectors(matrix, 6, seed=1)
    exact = np.linalg.svd(matrix.toarray())[2][:6].T
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T, atol=2e-3)


def test_number_of_singular_vectors_is_limited_by_the_rank():
    board, _ = make_checkerboard()
    matrix = board.build_user_items()
    assert compute_right_singular_vectors(matrix, 50, seed=0).shape == (8, np.linalg.matrix_rank(matrix.toarray()))
    assert compute_right_singular_vectors(matrix, 0, seed=0).shape == (8, 0)
