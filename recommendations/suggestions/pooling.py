"""Predicts the effect of the next campaign from those of earlier ones with a holdout group."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from config.foundation.array_types import Floats
from config.foundation.statistics import ConfidenceInterval

SPREAD = 0.05  # before any campaign: most messages change the conversion rate by less than 2 × 5 percentage points
DIFFERENCE = 0.015  # before any campaign: the true effects of campaigns with one message differ by about 1.5 percentage points or less
GRID = 60  # values of τ
HALVINGS = 50  # of the range in which a bound is searched

type Effects = tuple[Sequence[float], Sequence[float]]


def predict_effect(
    effects: Sequence[float],
    standard_errors: Sequence[float],
    *,
    others: Sequence[Effects] = (),
    level: float = 0.95,
    spread: float = SPREAD,
    difference: float = DIFFERENCE,
) -> ConfidenceInterval:
    """Return the expected effect of the next campaign with its prediction interval.

    Random effects: campaign i has a true effect θᵢ ~ N(μ, τ²) and an observed one dᵢ ~ N(θᵢ, sᵢ²). μ has the prior N(0, spread²), which
    shrinks the effect of few or uncertain campaigns towards 0: given τ, its precision is 1 ÷ spread² + Σ 1 ÷ (s² + τ²). The next effect
    varies around μ by τ². τ is not known, and from a few campaigns it can hardly be estimated: an estimate would often be 0, and the
    interval too narrow. So τ has a half-normal prior with the scale ``difference``, and the interval is that of the mixture over the
    posterior of τ on a grid (Röver, "Bayesian random-effects meta-analysis using the bayesmeta R package", 2020).

    Args:
        others: effects and standard errors of the campaigns with each other message, which have an own μ and the same τ.

    Raises:
        ValueError: there is no campaign, or a standard error is not positive.
    """
    if not len(effects) or not all(
        error > 0 for _d, errors in [(effects, standard_errors), *others] for error in errors
    ):
        raise ValueError("Effects of at least one campaign with positive standard errors are needed.")
    tau = 4 * difference * (np.arange(GRID) + 0.5) / GRID
    means, variances, log_posterior = weigh_differences(effects, standard_errors, tau, spread)
    log_posterior = log_posterior - (tau / difference) ** 2 / 2
    for other, errors in others:
        log_posterior = log_posterior + weigh_differences(other, errors, tau, spread)[2]
    posterior = np.exp(log_posterior - log_posterior.max())
    posterior /= posterior.sum()
    deviations = np.sqrt(variances + tau**2)
    low, high = (find_quantile(posterior, means, deviations, share) for share in ((1 - level) / 2, (1 + level) / 2))
    return ConfidenceInterval(float(posterior @ means), low, high)


def weigh_differences(
    effects: Sequence[float], standard_errors: Sequence[float], tau: Floats, spread: float
) -> tuple[Floats, Floats, Floats]:
    """Return mean and variance of μ given each τ, and the logarithm of the likelihood of τ without a constant, (m,) each."""
    d, s = np.asarray(effects, float), np.asarray(standard_errors, float)
    variances = s**2 + tau[:, None] ** 2
    precision = 1 / spread**2 + (1 / variances).sum(axis=1)
    mean = (d / variances).sum(axis=1) / precision
    fit = (d**2 / variances).sum(axis=1) - precision * mean**2
    return mean, 1 / precision, -(np.log(variances).sum(axis=1) + np.log(precision) + fit) / 2


def find_quantile(weights: Floats, means: Floats, deviations: Floats, share: float) -> float:
    """Return the quantile of a mixture of normal distributions, by halving."""
    low, high = float((means - 8 * deviations).min()), float((means + 8 * deviations).max())
    for _halving in range(HALVINGS):
        middle = (low + high) / 2
        if weights @ ndtr((middle - means) / deviations) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2
