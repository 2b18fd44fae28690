"""Gamma-Gamma: what a purchase is worth. Values of a customer's purchases ~ Gamma(p, ν), ν ~ Gamma(q, γ), whatever their number.

Source: Fader & Hardie, "The Gamma-Gamma model of monetary value", 2013; Fader, Hardie & Lee, J. Marketing Research 2005.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, psi
from scipy.stats import rankdata

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.purchase_model import Parameters
from customers.lifecycle.scoring.clv.optimizer import Objective, maximise

# why there is no model
NO_PAID_REPEATS = "no_paid_repeats"
FEW_PAID_REPEATS = "few_paid_repeats"
REASONS = (NO_PAID_REPEATS, FEW_PAID_REPEATS)
FEWEST_BUYERS = 30
# what makes it doubtful
FREQUENCY_CORRELATES = "frequency_correlates_with_value"
NEARLY_NO_MEAN = "values_too_heavy_tailed"
WARNINGS = (FREQUENCY_CORRELATES, NEARLY_NO_MEAN)
HIGHEST_CORRELATION = (
    0.3  # a medium one in Cohen, Statistical Power Analysis, 1988; the model assumes 0, CDNOW has 0.11
)
LEAST_EXCESS = 0.05  # of q over 1, below which the mean of a new customer would be without bound
SAMPLED = 20_000
STARTS = ((1.0, 2.0), (5.0, 3.0), (0.3, 5.0))


@dataclass(frozen=True)
class GammaGamma(Parameters):
    p: float
    q: float
    gamma: float

    name = "gamma_gamma"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.q <= 1:
            raise ValueError(f"q must be greater than 1 for a mean to exist, got {self.q}")

    def log_likelihood(self, *, x: Ints, mean_value: Floats) -> Floats:
        """ln of the density of each mean value, shape (n,); x > 0 and mean_value > 0.

        Γ(px+q) / (Γ(px) Γ(q)) · γ^q m̄^(px−1) x^(px) / (γ + x m̄)^(px+q).
        """
        px = self.p * x
        result: Floats = (
            gammaln(px + self.q) - gammaln(px) - gammaln(self.q) + self.q * np.log(self.gamma)
            + px * np.log(x * mean_value) - np.log(mean_value) - (px + self.q) * np.log(self.gamma + x * mean_value)
        )  # fmt: skip
        return result

    def mean_spend(self, *, x: Ints, mean_value: Floats) -> Floats:
        """E[M] of each customer, shape (n,): p (γ + x m̄) / (p x + q − 1); for x = 0 that of all. A mean below 0 counts as 0."""
        result: Floats = self.p * self.rate(x=x, mean_value=mean_value) / (self.p * x + self.q - 1.0)
        return result

    def rate(self, *, x: Ints, mean_value: Floats) -> Floats:
        """γ + x m̄, shape (n,): ν given what was seen ~ Gamma(q + p x, γ + x m̄)."""
        return np.asarray(self.gamma + x * np.maximum(mean_value, 0.0), np.float64)


@dataclass(frozen=True, eq=False)
class SpendFit:
    """model is None where reason says why. correlation: Pearson's of x and m̄; rank_correlation: Spearman's, which no single
    wholesaler sways. Both are None where one of the two does not vary. covariance: (3, 3), of ln p, ln(q − 1.05), ln γ."""

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


def fit_spend(*, x: Ints, mean_value: Floats, fewest_buyers: int = FEWEST_BUYERS) -> SpendFit:
    """Maximum likelihood over the customers with x > 0 and m̄ > 0. x, mean_value: shape (n,), any currency unit.

    q is kept above 1.05. Errors: ValueError for arrays of different shapes, or a mean value that is not finite.
    """
    if x.shape != mean_value.shape:
        raise ValueError(f"x has shape {x.shape} and mean_value {mean_value.shape}; give one entry a customer")
    if not np.isfinite(mean_value).all():
        raise ValueError("mean_value must be finite for every customer; found one that is not")
    paid = (x > 0) & (mean_value > 0)
    buyers = int(paid.sum())
    if buyers < max(fewest_buyers, 1):
        return SpendFit(None, FEW_PAID_REPEATS if buyers else NO_PAID_REPEATS, buyers)
    repeats: Floats = x[paid].astype(np.float64)
    unit = float(np.exp(np.log(mean_value[paid]).mean()))
    mean: Floats = mean_value[paid] / unit
    some = np.random.default_rng(0).permutation(buyers)[:SAMPLED]
    found = maximise(
        objective=_objective(repeats, mean, 1.0),
        sample=_objective(repeats[some], mean[some], buyers / len(some)),
        n=float(buyers),
        starts=[np.log([p, q - 1.0, (q - 1.0) / p]) for p, q in STARTS],
    )
    p, excess, gamma = (float(value) for value in np.exp(found.theta))
    correlation, rank_correlation = _correlation(repeats, mean), _correlation(rankdata(repeats), rankdata(mean))
    correlates = any(abs(r) > HIGHEST_CORRELATION for r in (correlation, rank_correlation) if r is not None)
    heavy = excess < LEAST_EXCESS
    return SpendFit(
        model=GammaGamma(p=p, q=1.0 + LEAST_EXCESS + excess, gamma=gamma * unit),
        reason=None,
        buyers=buyers,
        log_likelihood=found.log_likelihood - buyers * float(np.log(unit)),
        converged=found.converged,
        iterations=found.iterations,
        correlation=correlation,
        rank_correlation=rank_correlation,
        warnings=(FREQUENCY_CORRELATES,) * correlates + (NEARLY_NO_MEAN,) * heavy,
        covariance=found.covariance,
    )


def save_spend(fit: SpendFit) -> dict[str, Any]:
    """Plain values for JSON."""
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


def load_spend(saved: Mapping[str, Any]) -> SpendFit:
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


def _objective(x: Floats, mean_value: Floats, weight: float) -> Objective:
    """The log-likelihood by ln p, ln(q − 1.05), ln γ, each customer counted `weight` times."""
    n = len(x)
    counts, number = np.unique(x, return_counts=True)
    log_total, log_mean = np.log(x * mean_value), float(np.log(mean_value).sum())

    def log_likelihood(theta: Floats) -> tuple[float, Floats]:
        p, excess, gamma = np.exp(theta)
        q = 1.0 + LEAST_EXCESS + excess
        px = p * counts
        spread = np.log(gamma + x * mean_value)
        a = log_total - spread
        value = number @ (gammaln(px + q) - gammaln(px)) - n * (gammaln(q) - q * np.log(gamma))
        value += p * (x @ a) - log_mean - q * spread.sum()
        by_p = (number * counts) @ (psi(px + q) - psi(px)) + x @ a
        by_q = number @ psi(px + q) - n * (psi(q) - np.log(gamma)) - spread.sum()
        by_gamma = n * q / gamma - float(np.sum((p * x + q) / (gamma + x * mean_value)))
        return float(value) * weight, np.array([by_p * p, by_q * excess, by_gamma * gamma]) * weight

    return log_likelihood


def _correlation(first: Floats, second: Floats) -> float | None:
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(np.clip(first @ second / size, -1.0, 1.0)) if size > 0 else None
