"""Maximum likelihood on logarithms of parameters: several starts on a sample, then all of the data from the best of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from config.foundation.array_types import Floats

type Objective = Callable[[Floats], tuple[float, Floats]]  # log-likelihood and its gradient by the logarithms

WALL = 7.0  # e^7 ≈ 1,100: where the likelihood has gone flat, as with customers who are all alike
FARTHEST = 12.0
STEP = 1e-4  # of the differences of gradients that make the Hessian
LEAST_CURVATURE = 1e-9  # a customer
ENOUGH = 1e-3  # of log-likelihood; the search ends where no direction could gain half of it


@dataclass(frozen=True, eq=False)
class Optimum:
    """theta: shape (k,), logarithms. covariance: (k, k), theirs, the inverse of the observed information."""

    theta: Floats
    log_likelihood: float
    converged: bool
    iterations: int
    covariance: Floats


def maximise(*, objective: Objective, sample: Objective, n: float, starts: Sequence[Floats]) -> Optimum:
    """The largest log-likelihood within |θ| ≤ 12; beyond |θ| = 7 it costs (|θ| − 7)², all told, so nothing runs to infinity.

    objective: over all n customers; sample: over a part of them, weighted up to n (or the objective itself). The search on all
    goes on from the sample's optimum in the coordinates that make its Hessian the identity, so that a few steps do.
    converged: the step that is left, gᵀ H⁻¹ g / 2, would gain less than 0.002.
    """
    iterations = 0
    best, found = -np.inf, np.array(starts[0])
    for start in starts:
        result = minimize(
            _negative, start, (sample, n), "L-BFGS-B", jac=True, bounds=[(-FARTHEST, FARTHEST)] * len(start),
            options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-8},
        )  # fmt: skip
        iterations += int(result.nit)
        if -result.fun > best:
            best, found = -float(result.fun), result.x
    curvature = _curvature(sample, n, found)
    for _ in range(2):  # once more with the Hessian of all where the sample's was not good enough
        values, vectors = np.linalg.eigh(curvature)
        spread = vectors / np.sqrt(np.maximum(values, LEAST_CURVATURE))
        result = minimize(
            _negative_spread, np.zeros(len(found)), (objective, n, found, spread), "BFGS", jac=True,
            options={"maxiter": 50, "gtol": np.sqrt(ENOUGH / n)},
        )  # fmt: skip
        iterations += int(result.nit)
        found = found + spread @ result.x
        left = n * float(result.jac @ result.jac) / 2.0
        if left < 2.0 * ENOUGH:
            break
        curvature = _curvature(objective, n, found)
    values, vectors = np.linalg.eigh(curvature)
    covariance = vectors / np.maximum(values, LEAST_CURVATURE) @ vectors.T / n
    found = np.clip(found, -FARTHEST, FARTHEST)
    return Optimum(found, objective(found)[0], left < 2.0 * ENOUGH, iterations, covariance)


def _negative(theta: Floats, objective: Objective, n: float) -> tuple[float, Floats]:
    inside = np.clip(theta, -FARTHEST, FARTHEST)
    value, gradient = objective(inside)
    beyond = np.sign(theta) * np.maximum(np.abs(theta) - WALL, 0.0)
    return (float(beyond @ beyond) - value) / n, (2.0 * beyond - gradient * (theta == inside)) / n


def _negative_spread(
    step: Floats, objective: Objective, n: float, origin: Floats, spread: Floats
) -> tuple[float, Floats]:
    value, gradient = _negative(origin + spread @ step, objective, n)
    return value, spread.T @ gradient


def _curvature(objective: Objective, n: float, theta: Floats) -> Floats:
    """(k, k): the Hessian of the negative log-likelihood a customer, by central differences of its gradient."""
    rows = [
        (_negative(theta + step, objective, n)[1] - _negative(theta - step, objective, n)[1]) / (2.0 * STEP)
        for step in STEP * np.eye(len(theta))
    ]
    return (np.array(rows) + np.array(rows).T) / 2.0
