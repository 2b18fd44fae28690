"""Scoring, compiled by Numba.

Rows are scored in blocks that stay in the cache, one tree after the other.
"""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from config.foundation.kernels.compilation import make_jit
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix

type NodeIndices = npt.NDArray[np.int32]

PLAIN, SIGNED_LOG, LOGIT = range(3)
BLOCK_ROWS = 1024
MAX_DEVIATIONS = 5.0  # standard deviations up to which a linear model extrapolates

compiled = make_jit(nogil=True)


@compiled
def standardize(x: float, transform: int, center: float, spread: float) -> float:
    """Return a transformed value in standard deviations, clipped."""
    if transform == SIGNED_LOG:
        x = np.log1p(x) if x >= 0 else -np.log1p(-x)
    elif transform == LOGIT:
        x = min(max(x, 1e-6), 1 - 1e-6)
        x = np.log(x / (1 - x))
    return min(max((x - center) / spread, -MAX_DEVIATIONS), MAX_DEVIATIONS)


@compiled
def standardize_matrix(matrix: Matrix, transform: Ints, center: Floats, spread: Floats) -> Floats:
    """Return the standardized matrix."""
    result = np.empty(matrix.shape)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            result[i, j] = standardize(np.float64(matrix[i, j]), transform[j], center[j], spread[j])
    return result


@compiled
def _compute_term(
    x: float, j: int, transform: Ints, center: Floats, spread: Floats, knots: Floats, coefficients: Floats
) -> float:
    """Return a column's term of the linear model."""
    z = standardize(x, transform[j], center[j], spread[j])
    term = coefficients[j, 0] * z
    for m in range(knots.shape[1]):
        if z > knots[j, m]:
            term += coefficients[j, m + 1] * (z - knots[j, m])
    return term


@compiled
def compute_linear_margin(
    matrix: Matrix, transform: Ints, center: Floats, spread: Floats, knots: Floats, coefficients: Floats
) -> Floats:
    """Return the sum of the terms of each row, (n,)."""
    # Columns with zero coefficients are skipped: computing their logarithms would dominate the cost.
    used = np.zeros(len(center), np.bool_)
    for j in range(len(center)):
        used[j] = np.any(coefficients[j] != 0)
    margin = np.zeros(len(matrix))
    for i in range(len(matrix)):
        for j in range(len(center)):
            if used[j]:
                margin[i] += _compute_term(np.float64(matrix[i, j]), j, transform, center, spread, knots, coefficients)
    return margin


@compiled
def compute_linear_contributions(
    matrix: Matrix, transform: Ints, center: Floats, spread: Floats, knots: Floats, coefficients: Floats
) -> Floats:
    """Return each column's term, (n, k)."""
    contributions = np.empty(matrix.shape)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            contributions[i, j] = _compute_term(
                np.float64(matrix[i, j]), j, transform, center, spread, knots, coefficients
            )
    return contributions


@compiled
def compute_tree_margin(
    matrix: Matrix,
    feature: NodeIndices,
    threshold: Floats,
    left: NodeIndices,
    right: NodeIndices,
    value: Floats,
    root: NodeIndices,
) -> Floats:
    """Return the sum of the leaves that each row reaches, (n,)."""
    n = len(matrix)
    margin = np.zeros(n)
    # Trees inside, rows outside: the block's rows stay in the cache while all trees pass over them.
    for begin in range(0, n, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, n)
        for tree in range(len(root)):
            for i in range(begin, end):
                node = root[tree]
                column = feature[node]
                while column >= 0:
                    node = left[node] if np.float64(matrix[i, column]) <= threshold[node] else right[node]
                    column = feature[node]
                margin[i] += value[node]
    return margin


@compiled
def compute_tree_contributions(
    matrix: Matrix,
    feature: NodeIndices,
    threshold: Floats,
    left: NodeIndices,
    right: NodeIndices,
    value: Floats,
    root: NodeIndices,
) -> Floats:
    """Return the changes along each row's paths, by column, (n, k)."""
    n = len(matrix)
    contributions = np.zeros(matrix.shape)
    # Trees inside, rows outside: the block's rows stay in the cache while all trees pass over them.
    for begin in range(0, n, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, n)
        for tree in range(len(root)):
            for i in range(begin, end):
                node = root[tree]
                column = feature[node]
                while column >= 0:
                    next_node = left[node] if np.float64(matrix[i, column]) <= threshold[node] else right[node]
                    contributions[i, column] += value[next_node] - value[node]
                    node = next_node
                    column = feature[node]
    return contributions
