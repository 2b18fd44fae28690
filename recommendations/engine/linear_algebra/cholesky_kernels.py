"""Compiled Cholesky factorization and triangular solvers for small dense systems."""

import numpy as np
import numpy.typing as npt

from recommendations.engine.linear_algebra.jit import compiled, inlined


@compiled
def factorize_cholesky(system: npt.NDArray[np.float64]) -> None:
    """Write the Cholesky factor L of a positive definite matrix into its lower triangle."""
    size = system.shape[0]
    for row in range(size):
        for column in range(row + 1):
            total = system[row, column]
            for position in range(column):
                total -= system[row, position] * system[column, position]
            system[row, column] = np.sqrt(total) if row == column else total / system[column, column]


@compiled
def solve_cholesky(lower: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """Solve L Lᵀ x = vector in place."""
    solve_lower(lower, vector)
    solve_upper(lower, vector)


@inlined
def solve_lower(lower: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """Solve L x = vector in place."""
    for row in range(lower.shape[0]):
        total = vector[row]
        for position in range(row):
            total -= lower[row, position] * vector[position]
        vector[row] = total / lower[row, row]


@inlined
def solve_upper(lower: npt.NDArray[np.float64], vector: npt.NDArray[np.float64]) -> None:
    """Solve Lᵀ x = vector in place."""
    for row in range(lower.shape[0] - 1, -1, -1):
        vector[row] /= lower[row, row]
        for position in range(row):
            vector[position] -= lower[row, position] * vector[row]
