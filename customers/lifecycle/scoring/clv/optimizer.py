"""Maximum likelihood on the logarithms of parameters.

Several starts run on a sample, then the best of them on all data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from config.foundation.array_types import Floats

# The log-likelihood and its gradient, as a function of the logarithms of the parameters.
type Objective = Callable[[Floats], tuple[float, Floats]]

PENALTY_START = 7.0  # |θ| from which the penalty grows (e^7 ≈ 1,100), for flat likelihoods, as with identical customers
MAX_LOG = 12.0
HESSIAN_STEP = 1e-4  # of the gradient differences that approximate the Hessian
MIN_CURVATURE = 1e-9  # per customer
GAIN_TOLERANCE = 1e-3  # of log-likelihood; the search ends where no direction could gain half of it


@dataclass(frozen=True, eq=False)
class Optimum:
    """theta: shape (k,), logarithms of the parameters.

    covariance: (k, k), of theta, the inverse of the observed information.
    """

    theta: Floats
    log_likelihood: float
    converged: bool
    iterations: int
    covariance: Floats


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads for a handful of parameters wait for each other
def maximize_likelihood(*, objective: Objective, sample: Objective, n: float, starts: Sequence[Floats]) -> Optimum:
    """Return the largest log-likelihood within |θ| ≤ 12.

    Beyond |θ| = 7 a penalty of (|θ| − 7)² in total keeps parameters from running to infinity.
    objective: over all n customers; sample: over a part of them, weighted up to n (or the objective itself). The search on all data
    continues from the sample's optimum in the coordinates in which its Hessian is the identity, so that a few steps suffice.
    converged: the remaining step, gᵀ H⁻¹ g / 2, would gain less than 0.002.
    """
    iterations = 0
    best, theta = -np.inf, np.array(starts[0])
    for start in starts:
        result = minimize(
            _compute_penalized_loss, start, (sample, n), "L-BFGS-B", jac=True, bounds=[(-MAX_LOG, MAX_LOG)] * len(start),
            options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-8},
        )  # fmt: skip
        iterations += int(result.nit)
        if -result.fun > best:
            best, theta = -float(result.fun), result.x
    curvature = _compute_curvature(sample, n, theta)
    for _ in range(2):  # a second time with the Hessian of all data if the sample's was not good enough
        values, vectors = np.linalg.eigh(curvature)
        spread = vectors / np.sqrt(np.maximum(values, MIN_CURVATURE))
        result = minimize(
            _compute_whitened_loss, np.zeros(len(theta)), (objective, n, theta, spread), "BFGS", jac=True,
            options={"maxiter": 50, "gtol": np.sqrt(GAIN_TOLERANCE / n)},
        )  # fmt: skip
        iterations += int(result.nit)
        theta = theta + spread @ result.x
        remaining_gain = n * float(result.jac @ result.jac) / 2.0
        if remaining_gain < 2.0 * GAIN_TOLERANCE:
            break
        curvature = _compute_curvature(objective, n, theta)
    values, vectors = np.linalg.eigh(curvature)
    covariance = vectors / np.maximum(values, MIN_CURVATURE) @ vectors.T / n
    theta = np.clip(theta, -MAX_LOG, MAX_LOG)
    return Optimum(theta, objective(theta)[0], remaining_gain < 2.0 * GAIN_TOLERANCE, iterations, covariance)


def _compute_penalized_loss(theta: Floats, objective: Objective, n: float) -> tuple[float, Floats]:
    """Return the penalized negative log-likelihood per customer, and its gradient."""
    inside = np.clip(theta, -MAX_LOG, MAX_LOG)
    value, gradient = objective(inside)
    # Outside the bounds the objective is constant, so only the penalty has a gradient there.
    beyond = np.sign(theta) * np.maximum(np.abs(theta) - PENALTY_START, 0.0)
    return (float(beyond @ beyond) - value) / n, (2.0 * beyond - gradient * (theta == inside)) / n


def _compute_whitened_loss(
    step: Floats, objective: Objective, n: float, origin: Floats, spread: Floats
) -> tuple[float, Floats]:
    """Return the loss and its gradient at a step in the coordinates `spread`."""
    value, gradient = _compute_penalized_loss(origin + spread @ step, objective, n)
    return value, spread.T @ gradient


def _compute_curvature(objective: Objective, n: float, theta: Floats) -> Floats:
    """Return the Hessian of the loss per customer, (k, k).

    It uses central differences of the gradient.
    """
    rows = [
        (
            _compute_penalized_loss(theta + step, objective, n)[1]
            - _compute_penalized_loss(theta - step, objective, n)[1]
        )
        / (2.0 * HESSIAN_STEP)
        for step in HESSIAN_STEP * np.eye(len(theta))
    ]
    return (np.array(rows) + np.array(rows).T) / 2.0
