"""Compiled solvers of implicit matrix factorization (iALS)."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine.linear_algebra.cholesky_kernels import factorize_cholesky, solve_cholesky
from recommendations.engine.linear_algebra.jit import compiled, compiled_reassociated


@compiled_reassociated
def _compute_dot(left: AnyFloats, right: AnyFloats) -> np.float32:
    total = np.float32(0)
    for position in range(left.shape[0]):
        total += left[position] * right[position]
    return total


@compiled_reassociated
def _multiply_system(
    gram: AnyFloats,
    ridge: np.float32,
    columns: AnyInts,
    weights: AnyFloats,
    others: AnyFloats,
    vector: AnyFloats,
    out: AnyFloats,
) -> None:
    """Compute out = (gram + ridge · I + Σ_p weights[p] · y_p y_pᵀ) · vector with y_p = others[columns[p]]."""
    # The matrix is never built: a product takes factors² + entries · factors steps instead of entries · factors² for building it.
    factors = vector.shape[0]
    for position in range(factors):
        out[position] = ridge * vector[position]
    for row in range(factors):
        value = vector[row]
        for position in range(factors):
            out[position] += value * gram[row, position]
    for p in range(columns.shape[0]):
        other = others[columns[p]]
        value = weights[p] * _compute_dot(other, vector)
        for position in range(factors):
            out[position] += value * other[position]


@compiled_reassociated
def descend_rows(
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    gram: AnyFloats,
    ridges: AnyFloats,
    others: AnyFloats,
    steps: int,
    rows: AnyFloats,
) -> None:
    """Run a few conjugate-gradient steps per row toward the solution of (gram + ridge · I + Σ w y yᵀ) x = Σ w y, in place."""
    factors = others.shape[1]
    residual = np.empty(factors, np.float32)
    direction = np.empty(factors, np.float32)
    image = np.empty(factors, np.float32)
    for row in range(rows.shape[0]):
        columns = indices[indptr[row] : indptr[row + 1]]
        weights = data[indptr[row] : indptr[row + 1]]
        x = rows[row]
        if columns.shape[0] == 0:
            x[:] = 0
            continue
        ridge = ridges[row]
        # The start is the solution of the previous sweep, so a few steps are enough.
        _multiply_system(gram, ridge, columns, weights, others, x, residual)
        for position in range(factors):
            residual[position] = -residual[position]
        for p in range(columns.shape[0]):
            other = others[columns[p]]
            for position in range(factors):
                residual[position] += weights[p] * other[position]
        direction[:] = residual
        size = _compute_dot(residual, residual)
        for _ in range(steps):
            if size < 1e-20:  # converged; the next stride would divide 0 by 0
                break
            _multiply_system(gram, ridge, columns, weights, others, direction, image)
            stride = size / _compute_dot(direction, image)
            for position in range(factors):
                x[position] += stride * direction[position]
                residual[position] -= stride * image[position]
            smaller = _compute_dot(residual, residual)
            for position in range(factors):
                direction[position] = residual[position] + smaller / size * direction[position]
            size = smaller


@compiled
def solve_rows(
    indptr: AnyInts,
    indices: AnyInts,
    data: AnyFloats,
    gram: AnyFloats,
    ridges: AnyFloats,
    others: AnyFloats,
    out: AnyFloats,
) -> None:
    """Solve (gram + ridge · I + Σ w y yᵀ) x = Σ w y exactly for each row; 0 for a row without entries."""
    factors = others.shape[1]
    system = np.empty((factors, factors), np.float64)
    vector = np.empty(factors, np.float64)
    for row in range(out.shape[0]):
        if indptr[row] == indptr[row + 1]:
            out[row] = 0
            continue
        vector[:] = 0
        for i in range(factors):
            for j in range(i + 1):  # the Cholesky factorization reads the lower triangle only
                system[i, j] = gram[i, j]
            system[i, i] += ridges[row]
        for p in range(indptr[row], indptr[row + 1]):
            other = others[indices[p]]
            for i in range(factors):
                value = np.float64(data[p]) * other[i]
                vector[i] += value
                for j in range(i + 1):
                    system[i, j] += value * other[j]
        factorize_cholesky(system)
        solve_cholesky(system, vector)
        for position in range(factors):
            out[row, position] = vector[position]
