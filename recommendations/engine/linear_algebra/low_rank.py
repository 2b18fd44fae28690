"""Leading singular vectors of large sparse matrices."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import qr
from scipy.sparse import csr_array

OVERSAMPLING = 16  # additional vectors, which make the leading ones accurate
PASSES = 6
POWER_PASSES = 30


def compute_right_singular_vectors(matrix: csr_array, rank: int, *, seed: int) -> npt.NDArray[np.float32]:
    """Return orthonormal right singular vectors (columns, r), largest singular value first.

    r is `rank`, or less if the matrix has fewer. Randomized subspace iteration: Halko, Martinsson & Tropp, SIAM Review 2011, algorithm
    4.4. Equal matrices and seeds give equal vectors; those of nearly equal singular values at the truncation are approximate.
    """
    n_rows, n_columns = matrix.shape
    width = min(rank + OVERSAMPLING, n_rows, n_columns)
    if rank < 1 or width < 1:
        return np.zeros((n_columns, 0), np.float32)
    transposed = csr_array(matrix.T)
    basis = np.random.default_rng(seed).standard_normal((n_columns, width)).astype(np.float32)
    for _ in range(PASSES):
        # Without this, all vectors would approach the first singular vector.
        basis = _orthonormalize(transposed @ (matrix @ basis))
    _, singular_values, directions = np.linalg.svd(matrix @ basis, full_matrices=False)
    n_kept = min(rank, int((singular_values > 1e-6 * max(float(singular_values[0]), 1e-30)).sum()))
    return (basis @ directions[:n_kept].T).astype(np.float32)


def compute_largest_singular_value(matrix: csr_array) -> float:
    """Return the largest singular value of a non-negative matrix, by power iteration, from below, starting with a vector of ones.

    The leading vector has no negative entries either, so the start is never orthogonal to it (Perron & Frobenius).
    """
    transposed = csr_array(matrix.T)
    vector = np.ones(matrix.shape[1])
    norm = 0.0
    for _ in range(POWER_PASSES):
        image = matrix @ (vector / np.linalg.norm(vector))
        previous_norm, norm = norm, float(np.linalg.norm(image))
        vector = transposed @ image
        if not norm or norm - previous_norm < 1e-4 * norm:
            break
    return norm


def _orthonormalize(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return qr(matrix, mode="economic", check_finite=False)[0]
