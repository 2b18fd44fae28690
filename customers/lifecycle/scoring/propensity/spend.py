"""The baseline for spend in the next days: linear regression on the features."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.models.array_models import MIN_PROBABILITY
from customers.lifecycle.scoring.propensity.models.kernels import (
    PLAIN,
    compute_linear_contributions,
    compute_linear_margin,
)

RIDGE = 1.0
MIN_ROWS = 50


@dataclass(frozen=True, eq=False)
class SpendRegression:
    """max(0, b + Σ_j c_j (x_j − center_j) / spread_j); all (k,).

    Columns are clipped to five standard deviations.
    """

    center: Floats
    spread: Floats
    coefficients: Floats
    intercept: float

    def score(self, matrix: Matrix) -> Floats:
        """Return the expected spend in money, (n,)."""
        return np.maximum(0.0, self.intercept + compute_linear_margin(matrix, *self._list_kernel_arguments()))

    def compute_contributions(self, matrix: Matrix) -> Floats:
        """Return what each column adds to the average customer's spend, before the bound at 0.

        The result has shape (n, k).
        """
        contributions: Floats = compute_linear_contributions(matrix, *self._list_kernel_arguments())
        return contributions

    def _list_kernel_arguments(self) -> tuple[Any, ...]:
        k = len(self.center)
        return np.full(k, PLAIN), self.center, self.spread, np.empty((k, 0)), self.coefficients[:, None]


@dataclass(frozen=True)
class SpendMetrics:
    """mae, rmse in money.

    bias: mean predicted / mean actual, None without spend; r2: 1 − squared error / variance, None where all spent the same.
    """

    mae: float
    rmse: float
    bias: float | None
    r2: float | None


def fit_spend_regression(*, matrix: Matrix, spend: Floats) -> SpendRegression | None:
    """Fit ridge regression (λ = 1, standardized columns).

    matrix: (n, k); spend: (n,). None with fewer than 50 rows.
    """
    if len(matrix) < MIN_ROWS:
        return None
    x = matrix.astype(np.float64)
    center, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread < MIN_PROBABILITY, 1.0, spread)
    z = np.clip((x - center) / spread, -5.0, 5.0)
    level = z.mean(axis=0)
    z -= level
    coefficients = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (spend - spend.mean()))
    return SpendRegression(center, spread, coefficients, float(spend.mean() - coefficients @ level))


def evaluate_spend(*, predicted: Floats, actual: Floats) -> SpendMetrics:
    """Compute the metrics of predicted spend. Errors: ValueError without customers."""
    if not len(predicted):
        raise ValueError("predicted is empty; pass at least one customer")
    error = predicted - actual
    total, variance = float(actual.mean()), float(actual.var())
    return SpendMetrics(
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt(np.mean(error**2))),
        bias=float(predicted.mean()) / total if total else None,
        r2=1 - float(np.mean(error**2)) / variance if variance > 0 else None,
    )
