"""Sparse matrices: built from coordinates, scaled, multiplied on all processors with bounded memory."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine import kernels
from recommendations.engine.parallel import map_blocks

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]


def csr(data: npt.ArrayLike, indices: npt.ArrayLike, indptr: npt.ArrayLike, shape: tuple[int, int]) -> csr_array:
    """A CSR matrix with int32 positions and float32 values, sharing the arrays where their types already fit."""
    return csr_array(
        (np.asarray(data, np.float32), np.asarray(indices, np.int32), np.asarray(indptr, np.int32)), shape=shape
    )


def summed(rows: IntArray, columns: IntArray, values: FloatArray, shape: tuple[int, int]) -> csr_array:
    """Matrix of coordinates with duplicates summed, zeros dropped and columns sorted."""
    matrix = csr_array((np.asarray(values, np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def transposed(matrix: csr_array) -> csr_array:
    """The transpose, as CSR."""
    return matrix.T.tocsr()


def row_norms(matrix: csr_array) -> FloatArray:
    """Euclidean length of each row."""
    squares = np.add.reduceat(
        np.append(np.square(matrix.data, dtype=np.float64), 0.0), np.minimum(matrix.indptr[:-1], matrix.nnz)
    )
    squares[np.diff(matrix.indptr) == 0] = 0.0
    return np.sqrt(squares)


def scaled_rows(matrix: csr_array, factors: FloatArray) -> csr_array:
    """diag(factors) · matrix."""
    data = matrix.data * np.repeat(factors.astype(np.float32), np.diff(matrix.indptr))
    return csr(data, matrix.indices, matrix.indptr, matrix.shape)


def scaled_columns(matrix: csr_array, factors: FloatArray) -> csr_array:
    """matrix · diag(factors)."""
    return csr(matrix.data * factors.astype(np.float32)[matrix.indices], matrix.indices, matrix.indptr, matrix.shape)


def reciprocal(values: FloatArray) -> FloatArray:
    """1 / value, and 0 where the value is 0."""
    return np.divide(1.0, values, out=np.zeros(len(values)), where=values > 0)


def normalised_rows(matrix: csr_array) -> csr_array:
    """Rows of Euclidean length 1; empty rows stay empty."""
    return scaled_rows(matrix, reciprocal(row_norms(matrix)))


def chosen_columns(matrix: csr_array, rows: npt.ArrayLike, columns: npt.ArrayLike) -> FloatArray:
    """Dense float32 (rows, columns) of the named rows and columns; no column may be named twice."""
    place = np.full(matrix.shape[1], -1, np.int32)
    place[np.asarray(columns)] = np.arange(len(np.asarray(columns)))
    chosen = matrix[np.asarray(rows), :]
    places = place[chosen.indices]
    wanted = places >= 0
    dense = np.zeros((chosen.shape[0], len(np.asarray(columns))), np.float32)
    dense[np.repeat(np.arange(chosen.shape[0]), np.diff(chosen.indptr))[wanted], places[wanted]] = chosen.data[wanted]
    return dense


def product(a: csr_array, b: csr_array) -> csr_array:
    """A·B as CSR (columns of a row in no order); memory is that of the result plus 9 bytes a column and thread."""
    parts = map_blocks(
        lambda start, stop: kernels.product_rows(
            a.indptr, a.indices, a.data, b.indptr, b.indices, b.data, b.shape[1], start, stop
        ),
        a.shape[0],
    )
    if not parts:
        return csr([], [], [0], (a.shape[0], b.shape[1]))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([counts for counts, _, _ in parts]), dtype=np.int64)])
    if indptr[-1] >= 2**31:
        raise ValueError(f"product: {indptr[-1]} entries do not fit; multiply fewer rows than {a.shape[0]} at once")
    return csr(
        np.concatenate([values for _, _, values in parts]),
        np.concatenate([columns for _, columns, _ in parts]),
        indptr,
        (a.shape[0], b.shape[1]),
    )


def dense_product(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float32]:
    """A·B of dense matrices as float32; each row is the same whatever other rows A has."""
    left, right = np.ascontiguousarray(a, np.float32), np.ascontiguousarray(b, np.float32)
    out = np.zeros((left.shape[0], right.shape[1]), np.float32)
    map_blocks(
        lambda start, stop: kernels.dense_product(left[start:stop], right, out[start:stop]), len(out), smallest=8
    )
    return out


def top_k_product(
    a: csr_array, b: csr_array, k: int, *, skip: IntArray | None = None, shrinkage: float = 0.0, least: int = 1
) -> csr_array:
    """The k largest positive entries of each row of A·B, best first (ties: lower column first).

    `skip[row]` is a column to leave out (-1: none). With shrinkage λ an entry that is a sum of n products is multiplied by
    n / (n + λ); entries of fewer than `least` products are left out. The whole product is never held: memory is n_rows · k entries.
    """
    n_rows, n_columns = a.shape[0], b.shape[1]
    width = max(1, min(k, n_columns))
    columns = np.empty((n_rows, width), np.int32)
    values = np.empty((n_rows, width), np.float32)
    counts = np.zeros(n_rows, np.int32)
    skipped = np.full(n_rows, -1, np.int32) if skip is None else np.asarray(skip, np.int32)
    rows = _dealt(a, b)
    map_blocks(
        lambda start, stop: kernels.product_top_k(
            a.indptr, a.indices, a.data, b.indptr, b.indices, b.data, n_columns,
            rows[start:stop], skipped, np.float32(shrinkage), least, columns, values, counts,
        ),
        n_rows,
    )  # fmt: skip
    kept = np.arange(width) < counts[:, None]
    return csr(values[kept], columns[kept], np.concatenate([[0], np.cumsum(counts)]), (n_rows, n_columns))


def _dealt(a: csr_array, b: csr_array) -> IntArray:
    """Row numbers shuffled by a fixed rule, so that every block holds cheap and dear rows alike."""
    n_rows = a.shape[0]
    blocks = max(1, n_rows // 64)
    return np.argsort(np.arange(n_rows) % blocks, kind="stable").astype(np.int32)
