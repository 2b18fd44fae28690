"""Scoring, compiled by Numba: rows in blocks that stay in the cache, trees one after the other."""

import numba
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix

type Places = npt.NDArray[np.int32]

PLAIN, SIGNED_LOG, LOGIT = range(3)
BLOCK = 1024
FURTHEST = 5.0  # standard deviations a linear model follows a column

compiled = numba.njit(nogil=True, cache=True)


@compiled
def standardised(x: float, transform: int, centre: float, spread: float) -> float:
    if transform == SIGNED_LOG:
        x = np.log1p(x) if x >= 0 else -np.log1p(-x)
    elif transform == LOGIT:
        x = min(max(x, 1e-6), 1 - 1e-6)
        x = np.log(x / (1 - x))
    return min(max((x - centre) / spread, -FURTHEST), FURTHEST)


@compiled
def standardised_matrix(matrix: Matrix, transform: Ints, centre: Floats, spread: Floats) -> Floats:
    found = np.empty(matrix.shape)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            found[i, j] = standardised(np.float64(matrix[i, j]), transform[j], centre[j], spread[j])
    return found


@compiled
def _term(
    x: float, j: int, transform: Ints, centre: Floats, spread: Floats, knots: Floats, coefficients: Floats
) -> float:
    z = standardised(x, transform[j], centre[j], spread[j])
    found = coefficients[j, 0] * z
    for m in range(knots.shape[1]):
        if z > knots[j, m]:
            found += coefficients[j, m + 1] * (z - knots[j, m])
    return found


@compiled
def linear_margin(
    matrix: Matrix, transform: Ints, centre: Floats, spread: Floats, knots: Floats, coefficients: Floats
) -> Floats:
    used = np.zeros(len(centre), np.bool_)
    for j in range(len(centre)):
        used[j] = np.any(coefficients[j] != 0)
    found = np.zeros(len(matrix))
    for i in range(len(matrix)):
        for j in range(len(centre)):
            if used[j]:
                found[i] += _term(np.float64(matrix[i, j]), j, transform, centre, spread, knots, coefficients)
    return found


@compiled
def linear_contributions(
    matrix: Matrix, transform: Ints, centre: Floats, spread: Floats, knots: Floats, coefficients: Floats
) -> Floats:
    found = np.empty(matrix.shape)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            found[i, j] = _term(np.float64(matrix[i, j]), j, transform, centre, spread, knots, coefficients)
    return found


@compiled
def tree_margin(
    matrix: Matrix, feature: Places, threshold: Floats, left: Places, right: Places, value: Floats, root: Places
) -> Floats:
    n = len(matrix)
    found = np.zeros(n)
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        for tree in range(len(root)):
            for i in range(begin, end):
                node = root[tree]
                column = feature[node]
                while column >= 0:
                    node = left[node] if np.float64(matrix[i, column]) <= threshold[node] else right[node]
                    column = feature[node]
                found[i] += value[node]
    return found


@compiled
def tree_contributions(
    matrix: Matrix, feature: Places, threshold: Floats, left: Places, right: Places, value: Floats, root: Places
) -> Floats:
    n = len(matrix)
    found = np.zeros(matrix.shape)
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        for tree in range(len(root)):
            for i in range(begin, end):
                node = root[tree]
                column = feature[node]
                while column >= 0:
                    next_node = left[node] if np.float64(matrix[i, column]) <= threshold[node] else right[node]
                    found[i, column] += value[next_node] - value[node]
                    node = next_node
                    column = feature[node]
    return found
