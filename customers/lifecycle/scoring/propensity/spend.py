"""The floor for spend in the next days: linear regression on the features."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.models.array_models import LEAST_PROBABILITY
from customers.lifecycle.scoring.propensity.models.kernels import PLAIN, linear_contributions, linear_margin

RIDGE = 1.0
FEWEST_ROWS = 50


@dataclass(frozen=True, eq=False)
class SpendModel:
    """max(0, b + Σ_j c_j (x_j − centre_j) / spread_j); all (k,). Columns are followed for five standard deviations at most."""

    centre: Floats
    spread: Floats
    coefficients: Floats
    intercept: float

    def score(self, matrix: Matrix) -> Floats:
        """Spend in money, (n,)."""
        return np.maximum(0.0, self.intercept + linear_margin(matrix, *self._parts()))

    def contributions(self, matrix: Matrix) -> Floats:
        """What each column adds to the average customer's, before the bound at 0; (n, k)."""
        found: Floats = linear_contributions(matrix, *self._parts())
        return found

    def _parts(self) -> tuple[Any, ...]:
        k = len(self.centre)
        return np.full(k, PLAIN), self.centre, self.spread, np.empty((k, 0)), self.coefficients[:, None]


@dataclass(frozen=True)
class SpendQuality:
    """mae, rmse in money; bias: mean said / mean happened, None where nothing was spent; r2: 1 − squared error / variance, None
    where all spent the same."""

    mae: float
    rmse: float
    bias: float | None
    r2: float | None


def fit_spend(*, matrix: Matrix, spend: Floats) -> SpendModel | None:
    """Ridge regression (λ = 1 on standardised columns). matrix: (n, k); spend: (n,), money. None with fewer than 50 rows."""
    if len(matrix) < FEWEST_ROWS:
        return None
    x = matrix.astype(np.float64)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread < LEAST_PROBABILITY, 1.0, spread)
    z = np.clip((x - centre) / spread, -5.0, 5.0)
    level = z.mean(axis=0)
    z -= level
    coefficients = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (spend - spend.mean()))
    return SpendModel(centre, spread, coefficients, float(spend.mean() - coefficients @ level))


def judge_spend(*, said: Floats, happened: Floats) -> SpendQuality:
    """Errors: ValueError without customers."""
    if not len(said):
        raise ValueError("said is empty; judging needs at least one customer")
    error = said - happened
    total, variance = float(happened.mean()), float(happened.var())
    return SpendQuality(
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt(np.mean(error**2))),
        bias=float(said.mean()) / total if total else None,
        r2=1 - float(np.mean(error**2)) / variance if variance > 0 else None,
    )
