"""Gamma-Gamma: the value of a purchase.

A customer's values ~ Gamma(p, ν), ν ~ Gamma(q, γ), independent of their number.
Source: Fader & Hardie, "The Gamma-Gamma model of monetary value", 2013; Fader, Hardie & Lee, J. Marketing Research 2005.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, psi

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.purchase_model import PositiveParameters
from customers.lifecycle.scoring.clv.optimizer import Objective, maximize_likelihood

# Reasons why there is no model.
NO_PAID_REPEATS = "no_paid_repeats"
FEW_PAID_REPEATS = "few_paid_repeats"
REASONS = (NO_PAID_REPEATS, FEW_PAID_REPEATS)
MIN_BUYERS = 30
# Warnings that a model is unreliable.
FREQUENCY_CORRELATES = "frequency_correlates_with_value"
HEAVY_TAILED = "values_too_heavy_tailed"
WARNINGS = (FREQUENCY_CORRELATES, HEAVY_TAILED)
MAX_CORRELATION = 0.3  # a medium one in Cohen, Statistical Power Analysis, 1988; the model assumes 0, CDNOW has 0.11
MIN_EXCESS = 0.05  # of q over 1; without it the mean of a new customer would be unbounded
SAMPLE_BUYERS = 20_000
START_VALUES = ((1.0, 2.0), (5.0, 3.0), (0.3, 5.0))


@dataclass(frozen=True)
class GammaGamma(PositiveParameters):
    """The Gamma-Gamma model; γ is in the currency unit of the values."""

    p: float
    q: float
    gamma: float

    name = "gamma_gamma"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.q <= 1:
            raise ValueError(f"q must be greater than 1 for a mean to exist, got {self.q}")

    def log_likelihood(self, *, x: Ints, mean_value: Floats) -> Floats:
        """Return ln of the density of each mean value, shape (n,); x > 0 and mean_value > 0.

        Γ(px+q) / (Γ(px) Γ(q)) · γ^q m̄^(px−1) x^(px) / (γ + x m̄)^(px+q).
        """
        px = self.p * x
        result: Floats = (
            gammaln(px + self.q) - gammaln(px) - gammaln(self.q) + self.q * np.log(self.gamma)
            + px * np.log(x * mean_value) - np.log(mean_value) - (px + self.q) * np.log(self.gamma + x * mean_value)
        )  # fmt: skip
        return result

    def mean_spend(self, *, x: Ints, mean_value: Floats) -> Floats:
        """Return E[M] of each customer, shape (n,): p (γ + x m̄) / (p x + q − 1).

        For x = 0 it is the population's mean. A mean below 0 counts as 0.
        """
        result: Floats = self.p * self.posterior_rate(x=x, mean_value=mean_value) / (self.p * x + self.q - 1.0)
        return result

    def posterior_rate(self, *, x: Ints, mean_value: Floats) -> Floats:
        """Return γ + x m̄, shape (n,): the posterior of ν is Gamma(q + p x, γ + x m̄)."""
        return np.asarray(self.gamma + x * np.maximum(mean_value, 0.0), np.float64)


@dataclass(frozen=True, eq=False)
class SpendFit:
    """The result of a fit; model is None where reason says why.

    correlation: Pearson's of x and m̄; rank_correlation: Spearman's, which a single wholesaler cannot dominate. Both are None where
    one of the two does not vary. covariance: (3, 3), of ln p, ln(q − 1.05), ln γ.
    """

    model: GammaGamma | None
    reason: str | None
    buyers: int
    log_likelihood: float | None = None
    converged: bool = False
    iterations: int = 0
    correlation: float | None = None
    rank_correlation: float | None = None
    warnings: tuple[str, ...] = ()
    covariance: Floats | None = None


def fit_gamma_gamma(*, x: Ints, mean_value: Floats, min_buyers: int = MIN_BUYERS) -> SpendFit:
    """Fit the model by maximum likelihood to the customers with x > 0 and m̄ > 0.

    x, mean_value: shape (n,), any currency unit. q is kept above 1.05.
    Errors: ValueError for arrays of different shapes, or a mean value that is not finite.
    """
    from scipy.stats import rankdata  # web processes never need it, and would start more slowly

    if x.shape != mean_value.shape:
        raise ValueError(f"x has shape {x.shape} and mean_value {mean_value.shape}; pass one entry per customer")
    if not np.isfinite(mean_value).all():
        raise ValueError("mean_value must be finite for every customer")
    has_value = (x > 0) & (mean_value > 0)
    buyers = int(has_value.sum())
    if buyers < max(min_buyers, 1):
        return SpendFit(None, FEW_PAID_REPEATS if buyers else NO_PAID_REPEATS, buyers)
    repeats: Floats = x[has_value].astype(np.float64)
    # The geometric mean as the unit of money keeps the parameters of order 1 in every currency.
    unit = float(np.exp(np.log(mean_value[has_value]).mean()))
    mean: Floats = mean_value[has_value] / unit
    sample_rows = np.random.default_rng(0).permutation(buyers)[:SAMPLE_BUYERS]
    optimum = maximize_likelihood(
        objective=_build_objective(repeats, mean, 1.0),
        sample=_build_objective(repeats[sample_rows], mean[sample_rows], buyers / len(sample_rows)),
        n=float(buyers),
        starts=[np.log([p, q - 1.0, (q - 1.0) / p]) for p, q in START_VALUES],
    )
    p, excess, gamma = (float(value) for value in np.exp(optimum.theta))
    correlation, rank_correlation = (
        _compute_correlation(repeats, mean),
        _compute_correlation(rankdata(repeats), rankdata(mean)),
    )
    is_correlated = any(abs(r) > MAX_CORRELATION for r in (correlation, rank_correlation) if r is not None)
    is_heavy_tailed = excess < MIN_EXCESS
    return SpendFit(
        model=GammaGamma(p=p, q=1.0 + MIN_EXCESS + excess, gamma=gamma * unit),
        reason=None,
        buyers=buyers,
        log_likelihood=optimum.log_likelihood - buyers * float(np.log(unit)),
        converged=optimum.converged,
        iterations=optimum.iterations,
        correlation=correlation,
        rank_correlation=rank_correlation,
        warnings=(FREQUENCY_CORRELATES,) * is_correlated + (HEAVY_TAILED,) * is_heavy_tailed,
        covariance=optimum.covariance,
    )


def serialize_spend_fit(fit: SpendFit) -> dict[str, Any]:
    """Return the fit as plain values for JSON."""
    return {
        "model": fit.model.to_dict() if fit.model else None,
        "reason": fit.reason,
        "buyers": fit.buyers,
        "log_likelihood": fit.log_likelihood,
        "converged": fit.converged,
        "iterations": fit.iterations,
        "correlation": fit.correlation,
        "rank_correlation": fit.rank_correlation,
        "warnings": list(fit.warnings),
        "covariance": None if fit.covariance is None else fit.covariance.tolist(),
    }


def deserialize_spend_fit(saved: Mapping[str, Any]) -> SpendFit:
    """Rebuild a fit from plain values."""
    model, covariance = saved["model"], saved["covariance"]
    return SpendFit(
        model=GammaGamma.from_dict(model) if model else None,
        reason=saved["reason"],
        buyers=saved["buyers"],
        log_likelihood=saved["log_likelihood"],
        converged=saved["converged"],
        iterations=saved["iterations"],
        correlation=saved["correlation"],
        rank_correlation=saved["rank_correlation"],
        warnings=tuple(saved["warnings"]),
        covariance=None if covariance is None else np.array(covariance),
    )


def _build_objective(x: Floats, mean_value: Floats, weight: float) -> Objective:
    """Return the log-likelihood by ln p, ln(q − 1.05), ln γ, with weighted customers."""
    n = len(x)
    counts, customers_of_count = np.unique(x, return_counts=True)
    log_total, log_mean = np.log(x * mean_value), float(np.log(mean_value).sum())

    def log_likelihood(theta: Floats) -> tuple[float, Floats]:
        p, excess, gamma = np.exp(theta)
        q = 1.0 + MIN_EXCESS + excess
        px = p * counts
        spread = np.log(gamma + x * mean_value)
        a = log_total - spread
        value = customers_of_count @ (gammaln(px + q) - gammaln(px)) - n * (gammaln(q) - q * np.log(gamma))
        value += p * (x @ a) - log_mean - q * spread.sum()
        by_p = (customers_of_count * counts) @ (psi(px + q) - psi(px)) + x @ a
        by_q = customers_of_count @ psi(px + q) - n * (psi(q) - np.log(gamma)) - spread.sum()
        by_gamma = n * q / gamma - float(np.sum((p * x + q) / (gamma + x * mean_value)))
        return float(value) * weight, np.array([by_p * p, by_q * excess, by_gamma * gamma]) * weight

    return log_likelihood


def _compute_correlation(first: Floats, second: Floats) -> float | None:
    """Return the correlation, or None where one of the two does not vary."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(np.clip(first @ second / size, -1.0, 1.0)) if size > 0 else None
