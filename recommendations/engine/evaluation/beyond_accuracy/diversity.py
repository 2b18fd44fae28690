"""Intra-list diversity at n: how different the products of one list are from each other."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.evaluation.ranking_metrics.hits import PerUser
from recommendations.engine.evaluation.ranking_metrics.ranked_lists import build_list_matrix
from recommendations.engine.linear_algebra.sparse import compute_row_norms, multiply, normalize_rows

BLOCK = 512  # lists at once: the sums of their vectors are one sparse matrix


def compute_diversity(items: npt.NDArray[np.int32], vectors: csr_array) -> PerUser:
    """Return ILD@n = 1 − mean cosine of v_i and v_j over all pairs i ≠ j of each list.

    items: int (users, n), -1 where a list was short. vectors: CSR (n_items, d), for instance the users of each product, or its
    content; a product without a vector has a cosine of 0 to all others. NaN for lists of fewer than two products. Source: Ziegler
    et al., WWW 2005.

    Σ_(i≠j) v_i · v_j = |Σ_i v_i|² − Σ_i |v_i|², so the pairs need not be enumerated.
    """
    unit = normalize_rows(vectors)
    known = (np.diff(unit.indptr) > 0).astype(np.float64)
    diversity = np.full(len(items), np.nan)
    for start in range(0, len(items), BLOCK):
        block = items[start : start + BLOCK]
        lists = build_list_matrix(block, vectors.shape[0])
        sizes = np.diff(lists.indptr)
        pairs = sizes * (sizes - 1.0)
        cosine_sums = np.square(compute_row_norms(multiply(lists, unit))) - lists @ known
        diversity[start : start + BLOCK] = 1.0 - np.divide(
            cosine_sums, pairs, out=np.full(len(block), np.nan), where=pairs > 0
        )
    return diversity
