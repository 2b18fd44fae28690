"""Sparse matrices: built from coordinates, scaled, and multiplied on all processors with bounded memory."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.product_kernels import multiply_dense, multiply_rows, multiply_top_k

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]

TOP_K_CELLS = 16_000_000
LONGEST_ROW = 20_000


def make_csr(data: npt.ArrayLike, indices: npt.ArrayLike, indptr: npt.ArrayLike, shape: tuple[int, int]) -> csr_array:
    """Return a CSR matrix with int32 indexes and float32 values; shares arrays that already have the type."""
    return csr_array(
        (np.asarray(data, np.float32), np.asarray(indices, np.int32), np.asarray(indptr, np.int32)), shape=shape
    )


def replace_data(matrix: csr_array, data: npt.ArrayLike) -> csr_array:
    """Return a matrix with the same stored positions and other values."""
    return make_csr(data, matrix.indices, matrix.indptr, matrix.shape)


def sum_entries(rows: IntArray, columns: IntArray, values: FloatArray, shape: tuple[int, int]) -> csr_array:
    """Return the matrix of coordinates with duplicates summed, zeros dropped and columns sorted."""
    matrix = csr_array((np.asarray(values, np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def transpose(matrix: csr_array) -> csr_array:
    """Return the transpose as CSR."""
    return matrix.T.tocsr()


def compute_row_norms(matrix: csr_array) -> FloatArray:
    """Return the Euclidean length of each row."""
    # reduceat needs indexes below the length, also for empty last rows, and returns a wrong entry for empty rows; both are corrected.
    squares = np.add.reduceat(
        np.append(np.square(matrix.data, dtype=np.float64), 0.0), np.minimum(matrix.indptr[:-1], matrix.nnz)
    )
    squares[np.diff(matrix.indptr) == 0] = 0.0
    return np.sqrt(squares)


def scale_rows(matrix: csr_array, factors: FloatArray) -> csr_array:
    """Return diag(factors) · matrix."""
    data = matrix.data * np.repeat(factors.astype(np.float32), np.diff(matrix.indptr))
    return replace_data(matrix, data)


def scale_columns(matrix: csr_array, factors: FloatArray) -> csr_array:
    """Return matrix · diag(factors)."""
    return replace_data(matrix, matrix.data * factors.astype(np.float32)[matrix.indices])


def invert_entries(values: FloatArray) -> FloatArray:
    """Return 1 / value, and 0 where the value is 0."""
    return np.divide(1.0, values, out=np.zeros(len(values)), where=values > 0)


def normalize_rows(matrix: csr_array) -> csr_array:
    """Return rows of Euclidean length 1; empty rows stay empty."""
    return scale_rows(matrix, invert_entries(compute_row_norms(matrix)))


def select_columns(matrix: csr_array, rows: npt.ArrayLike, columns: npt.ArrayLike) -> FloatArray:
    """Return dense float32 (rows, columns) of the given rows and columns; columns must be distinct."""
    position_of_column = np.full(matrix.shape[1], -1, np.int32)
    position_of_column[np.asarray(columns)] = np.arange(len(np.asarray(columns)))
    selected = matrix[np.asarray(rows), :]
    positions = position_of_column[selected.indices]
    is_selected = positions >= 0
    dense = np.zeros((selected.shape[0], len(np.asarray(columns))), np.float32)
    dense[list_entry_rows(selected)[is_selected], positions[is_selected]] = selected.data[is_selected]
    return dense


def list_entry_rows(matrix: csr_array) -> npt.NDArray[np.int64]:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))


def list_entry_keys(matrix: csr_array) -> npt.NDArray[np.int64]:
    """Return row · columns + column of each stored entry."""
    return list_entry_rows(matrix).astype(np.int64) * matrix.shape[1] + matrix.indices


def get_row_entries(matrix: csr_array, row: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the columns and values that a row stores, in their order."""
    entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[entries], matrix.data[entries]


def extract_column(matrix: csr_array, column: int) -> npt.NDArray[np.float32]:
    """Return one column as float32 (rows,)."""
    entries = np.flatnonzero(matrix.indices == column)
    values = np.zeros(matrix.shape[0], np.float32)
    np.add.at(values, np.searchsorted(matrix.indptr, entries, side="right") - 1, matrix.data[entries])
    return values


def multiply(a: csr_array, b: csr_array) -> csr_array:
    """Return A·B as CSR with unsorted columns; memory is that of the result plus 9 bytes per column and thread."""
    parts = map_blocks(
        lambda start, stop: multiply_rows(
            a.indptr, a.indices, a.data, b.indptr, b.indices, b.data, b.shape[1], start, stop
        ),
        a.shape[0],
    )
    if not parts:
        return make_csr([], [], [0], (a.shape[0], b.shape[1]))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([counts for counts, _, _ in parts]), dtype=np.int64)])
    if indptr[-1] >= 2**31:  # int32 indexes would overflow without an error
        raise ValueError(f"product: {indptr[-1]} entries do not fit; multiply fewer rows than {a.shape[0]} at once")
    return make_csr(
        np.concatenate([values for _, _, values in parts]),
        np.concatenate([columns for _, columns, _ in parts]),
        indptr,
        (a.shape[0], b.shape[1]),
    )


def multiply_dense_matrices(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float32]:
    """Return A·B of dense matrices as float32; each row is the same whatever other rows A has."""
    left, right = np.ascontiguousarray(a, np.float32), np.ascontiguousarray(b, np.float32)
    out = np.zeros((left.shape[0], right.shape[1]), np.float32)
    map_blocks(lambda start, stop: multiply_dense(left[start:stop], right, out[start:stop]), len(out), smallest=8)
    return out


def multiply_top_k_rows(
    a: csr_array, b: csr_array, k: int, *, skip: IntArray | None = None, shrinkage: float = 0.0, min_terms: int = 1
) -> csr_array:
    """Return the k largest positive entries of each row of A·B, best first (ties: lower column first).

    `skip[row]` is a column to leave out (-1: none). With shrinkage λ an entry that is a sum of n products is multiplied by
    n / (n + λ); entries of fewer than `min_terms` products are left out. The whole product is never stored: memory is that of the result.
    """
    n_rows, n_columns = a.shape[0], b.shape[1]
    width = max(1, min(k, n_columns))
    skipped = np.full(n_rows, -1, np.int32) if skip is None else np.asarray(skip, np.int32)
    size = max(1024, TOP_K_CELLS // width)  # rows at once: the kernel writes `width` cells per row
    parts = [
        _multiply_top_k_chunk(a, b, slice(start, min(start + size, n_rows)), width, skipped, shrinkage, min_terms)
        for start in range(0, n_rows, size)
    ]
    if not parts:
        return make_csr([], [], [0], (0, n_columns))
    counts, columns, values = (np.concatenate([part[number] for part in parts]) for number in range(3))
    return make_csr(values, columns, np.concatenate([[0], np.cumsum(counts)]), (n_rows, n_columns))


def _multiply_top_k_chunk(
    a: csr_array, b: csr_array, chunk: slice, width: int, skipped: IntArray, shrinkage: float, min_terms: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return entries per row, columns and values of some rows."""
    indptr = a.indptr[chunk.start : chunk.stop + 1]
    n_rows = len(indptr) - 1
    columns = np.empty((n_rows, width), np.int32)
    values = np.empty((n_rows, width), np.float32)
    counts = np.zeros(n_rows, np.int32)
    rows = deal_rows(n_rows)
    map_blocks(
        lambda start, stop: multiply_top_k(
            indptr, a.indices, a.data, b.indptr, b.indices, b.data, b.shape[1],
            rows[start:stop], skipped[chunk], np.float32(shrinkage), min_terms, columns, values, counts,
        ),
        n_rows,
    )  # fmt: skip
    is_filled = np.arange(width) < counts[:, None]
    return counts, columns[is_filled], values[is_filled]


def shorten_rows(matrix: csr_array, max_entries: int = LONGEST_ROW) -> csr_array:
    """Return the `most` largest entries of each row (ties: lower column), so that work on pairs of entries is at most `most` squared."""
    lengths = np.diff(matrix.indptr)
    if not len(lengths) or lengths.max() <= max_entries:
        return matrix
    is_kept = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(lengths > max_entries):
        start, stop = matrix.indptr[row], matrix.indptr[row + 1]
        is_kept[start + np.argsort(-matrix.data[start:stop], kind="stable")[max_entries:]] = False
    indptr = np.concatenate([[0], np.cumsum(is_kept)])[matrix.indptr]
    return make_csr(matrix.data[is_kept], matrix.indices[is_kept], indptr, matrix.shape)


def deal_rows(n_rows: int) -> IntArray:
    """Return row numbers shuffled by a fixed rule, so that every block has both cheap and costly rows."""
    blocks = max(1, n_rows // 64)
    return np.argsort(np.arange(n_rows) % blocks, kind="stable").astype(np.int32)
