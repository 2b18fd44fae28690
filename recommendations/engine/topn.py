"""Top-n items of many histories with bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm, Scores
from recommendations.engine.data.histories import Histories
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.top_n_kernels import compute_tie_breaks, select_top_dense, select_top_sparse

BLOCK_BYTES = 32_000_000


@dataclass(frozen=True, eq=False)
class Ranking:
    """items: int32 (rows, n), best first, -1 where the list is short. scores: float32 (rows, n), -inf there."""

    items: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.items)


def select_top_n(
    scores: Scores,
    n: int,
    *,
    exclude: csr_array | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    tie_seed: int | None = None,
    first_row: int = 0,
) -> Ranking:
    """Return the n best columns of each row.

    exclude: stored columns of a row are left out of it. allowed: the only columns that may appear. NaN, -inf and entries that a sparse
    matrix does not store never appear. Equal scores: lower column first, or with `tie_seed` in a random order that depends only
    on the seed, the row (counted from `first_row`) and the column. n may exceed the number of columns.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    n_rows, n_columns = scores.shape
    if allowed is not None and allowed.shape != (n_columns,):
        raise ValueError(f"allowed has shape {allowed.shape}, there are {n_columns} items")
    if exclude is not None and exclude.shape != scores.shape:
        raise ValueError(f"exclude has shape {exclude.shape}, scores {scores.shape}")
    width = min(n, n_columns)
    items = np.full((n_rows, n), -1, np.int32)
    values = np.full((n_rows, n), -np.inf, np.float32)
    if not n_rows or not n_columns:
        return Ranking(items, values)
    best, best_values = np.full((n_rows, width), -1, np.int32), np.full((n_rows, width), -np.inf, np.float32)
    excluded = (
        (exclude.indptr, exclude.indices)
        if exclude is not None
        else (_make_empty_indptr(n_rows), np.empty(0, np.int32))
    )
    # The kernels take arrays, not None, so that one compilation serves all cases.
    mask = np.ones(n_columns, np.bool_) if allowed is None else np.asarray(allowed, np.bool_)
    seed = _get_kernel_seed(tie_seed)

    def select(start: int, stop: int) -> None:
        arguments = (
            excluded[0][start : stop + 1],
            excluded[1],
            mask,
            seed,
            first_row + start,
            best[start:stop],
            best_values[start:stop],
        )
        if isinstance(scores, csr_array):
            select_top_sparse(scores.indptr[start : stop + 1], scores.indices, scores.data, *arguments)
        else:
            select_top_dense(np.ascontiguousarray(scores[start:stop], np.float32), *arguments)

    map_blocks(select, n_rows, smallest=16)
    items[:, :width], values[:, :width] = best, best_values
    return Ranking(items, values)


def find_tie_breaks(items: npt.NDArray[np.int32], *, tie_seed: int | None, first_row: int = 0) -> npt.NDArray[np.int64]:
    """Return the numbers by which `select_top_n` orders items (rows, k) of equal scores, ascending; those of -1 have no meaning."""
    breaks = np.empty(items.shape, np.int64)
    compute_tie_breaks(np.ascontiguousarray(items), _get_kernel_seed(tie_seed), first_row, breaks)
    return breaks


def recommend(
    algorithm: Algorithm,
    histories: Histories,
    n: int,
    *,
    exclude_seen: bool,
    seen_kinds: Sequence[int] | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    tie_seed: int | None = None,
) -> Ranking:
    """Return the n best items for each history, scored in blocks of at most BLOCK_BYTES of dense scores.

    With `seen_kinds`, indexes of KINDS, only interactions of these kinds make an item seen, for instance purchases but not views.
    """
    size = count_block_rows(histories.n_items)
    parts = []
    for start in range(0, len(histories), size):
        block = histories.slice_rows(start, start + size)
        exclude = block.get_seen_items(seen_kinds) if exclude_seen else None
        parts.append(
            select_top_n(
                algorithm.score(block), n, exclude=exclude, allowed=allowed, tie_seed=tie_seed, first_row=start
            )
        )
    if not parts:
        algorithm.require_fit()
        return Ranking(np.empty((0, n), np.int32), np.empty((0, n), np.float32))
    return Ranking(np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts]))


def count_block_rows(n_items: int) -> int:
    """Return how many rows of dense scores over n_items fit into BLOCK_BYTES; at least one."""
    return max(1, BLOCK_BYTES // (4 * max(1, n_items)))


def _get_kernel_seed(tie_seed: int | None) -> int:
    return -1 if tie_seed is None else tie_seed


def _make_empty_indptr(n_rows: int) -> npt.NDArray[np.int32]:
    return np.zeros(n_rows + 1, np.int32)
