"""Predicts the effect of the next campaign from those of earlier ones with a holdout group."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from config.foundation.statistics import ConfidenceInterval

SPREAD = 0.05  # before any campaign: most messages change the conversion rate by less than 2 × 5 percentage points


def predict_effect(
    effects: Sequence[float], standard_errors: Sequence[float], *, level: float = 0.95, spread: float = SPREAD
) -> ConfidenceInterval:
    """Return the expected effect of the next campaign with its prediction interval.

    Random effects: campaign i has a true effect θᵢ ~ N(μ, τ²) and an observed one dᵢ ~ N(θᵢ, sᵢ²). τ² is DerSimonian and Laird's estimate
    (Controlled Clinical Trials 7, 1986), with w = 1 ÷ s², d̄ = Σwd ÷ Σw: τ² = max(0, (Σw(d − d̄)² − (k − 1)) ÷ (Σw − Σw² ÷ Σw)).
    μ has the prior N(0, spread²), which shrinks the effect of few or uncertain campaigns towards 0: its precision is
    1 ÷ spread² + Σ 1 ÷ (s² + τ²). The next effect varies around μ by τ², so the interval uses the variance of μ + τ².

    Raises:
        ValueError: there is no campaign, or a standard error is not positive.
    """
    d, s = np.asarray(effects, float), np.asarray(standard_errors, float)
    if not d.size or (s <= 0).any():
        raise ValueError("Effects of at least one campaign with positive standard errors are needed.")
    w = 1 / s**2
    pooled = (w @ d) / w.sum()
    between = 0.0
    if d.size > 1:
        between = max(0.0, float((w @ (d - pooled) ** 2 - (d.size - 1)) / (w.sum() - (w**2).sum() / w.sum())))
    weights = 1 / (s**2 + between)
    precision = 1 / spread**2 + weights.sum()
    mean = float(weights @ d / precision)
    margin = float(ndtri((1 + level) / 2) * np.sqrt(1 / precision + between))
    return ConfidenceInterval(mean, mean - margin, mean + margin)
