"""Compiled loop over a list of products to rank: which are left out, and the scores of the others."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags, Rows
from recommendations.engine.linear_algebra.jit import compiled_with_gil
from recommendations.engine.linear_algebra.set_kernels import fill_row_table, find_table_slot

KEPT, DISMISSED, UNAVAILABLE, FILTERED = 0, 1, 2, 3  # why a product is left out


@compiled_with_gil
def score_ranked(
    rows: Rows, allowed: Flags, dismissed: AnyInts, is_match: Flags, scores: AnyFloats, static_scores: AnyFloats
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return why each product is left out, the positions of all others, and their scores.

    rows: -1 for an unknown product, which is left out only if there is a filter. is_match: of the filter, by row; empty for none.
    scores, static_scores: by row, empty for none; a product has the sum of both.
    """
    n = rows.shape[0]
    causes = np.zeros(n, np.int8)
    positions, values = np.empty(n, np.int64), np.zeros(n, np.float32)
    has_filter, has_scores = is_match.shape[0] > 0, scores.shape[0] > 0
    table = fill_row_table(dismissed)
    count = 0
    for position in range(n):
        row = rows[position]
        if row < 0:
            causes[position] = FILTERED if has_filter else KEPT
        elif dismissed.shape[0] > 0 and table[find_table_slot(table, row)] == row:
            causes[position] = DISMISSED
        elif not allowed[row]:
            causes[position] = UNAVAILABLE
        elif has_filter and not is_match[row]:
            causes[position] = FILTERED
        if causes[position] == KEPT:
            positions[count] = position
            if row >= 0 and has_scores:
                values[count] = scores[row] + static_scores[row]
            count += 1
    return causes, positions[:count], values[:count]
