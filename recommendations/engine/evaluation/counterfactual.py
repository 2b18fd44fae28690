"""Estimates from logged impressions how often another ranking would have been clicked, correcting for position bias.

With θ the examination probability of `position_bias`, a click at logged position k counts θ_t / θ_k for the position t of the
product in the other ranking, at most ``clip`` times. Sources: Joachims, Swaminathan & Schnabel, WSDM 2017 (inverse propensities
of positions); Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen, KDD 2018 (evaluation of rankings under a position-based
model). The self-normalized estimate divides, for each position of the other ranking, clicks by examinations (clicks over
expected clicks, Zhang & Jones, WWW 2007; self-normalization after Swaminathan & Joachims, NIPS 2015): no weight is large, but
it is biased where better products had higher positions before. The estimates are unbiased if the curve is right and no
weight is clipped. Products that only the other ranking shows have no data; ``coverage`` is the share of the others.
"""

from dataclasses import dataclass
from math import nan, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from recommendations.engine.evaluation.bootstrap import ConfidenceInterval
from recommendations.engine.position_bias import ExaminationCurve

CLIP = 10.0


@dataclass(frozen=True)
class ClickEstimates:
    """Estimated clicks per response of the other ranking.

    ips, snips: by inverse propensities, and self-normalized. coverage: share of its positions with a product that was shown. clipped:
    share of clicks with a clipped weight.
    """

    ips: ConfidenceInterval
    snips: ConfidenceInterval
    coverage: float
    clipped: float


@dataclass(frozen=True)
class LoggedFigures:
    """Logged clicks per product shown: raw, and as an estimate with every position examined like the first."""

    responses: int
    items: int
    clicks: int
    raw: ConfidenceInterval
    estimate: ConfidenceInterval
    clipped: float


def estimate_clicks(
    *,
    response: Ints,
    position: Ints,
    clicked: npt.NDArray[np.bool_],
    target: Ints,
    length: Ints,
    curve: ExaminationCurve,
    clip: float = CLIP,
    level: float = 0.95,
) -> ClickEstimates:
    """Estimate how often a ranking would be clicked.

    response, position, clicked: one entry per product shown: its response (0…n−1), its position, whether it was clicked. target: its
    position in the other ranking of the same response, 0 if it is not there. length: (n,) how many products the other ranking
    shows in each response.
    """
    require_positions(position)
    n = len(length)
    propensity_ratio = np.divide(curve.get_examination(np.maximum(target, 1)), curve.get_examination(position))
    weight = np.where(target > 0, np.minimum(propensity_ratio, clip), 0.0)
    weighted_clicks = np.bincount(response, weight * clicked, n)
    is_ranked = target > 0
    return ClickEstimates(
        ips=estimate_ratio(weighted_clicks, np.ones(n), level=level),
        snips=normalize_estimates(
            response[is_ranked],
            curve.get_examination(position[is_ranked]),
            clicked[is_ranked],
            target[is_ranked],
            n,
            curve,
            level,
        ),
        coverage=float(is_ranked.sum() / length.sum()) if length.sum() else nan,
        clipped=compute_share((propensity_ratio > clip)[clicked & is_ranked]),
    )


def normalize_estimates(
    response: Ints,
    examination: npt.NDArray[np.float64],
    clicked: npt.NDArray[np.bool_],
    target: Ints,
    n: int,
    curve: ExaminationCurve,
    level: float,
) -> ConfidenceInterval:
    """Return Σ_t θ_t · n_t / n · (clicks / examinations of the products at t in the other ranking), with its linearized interval."""
    if not len(target):
        return ConfidenceInterval(0.0 if n else nan, 0.0 if n else nan, 0.0 if n else nan)
    positions, position_of_entry = np.unique(target, return_inverse=True)
    click_rate = np.bincount(position_of_entry, clicked) / np.bincount(position_of_entry, examination)
    share = curve.get_examination(positions) * np.bincount(position_of_entry) / n
    # Summed per response, because clicks within a response depend on each other.
    residual = np.bincount(
        response,
        (share / np.bincount(position_of_entry, examination))[position_of_entry]
        * (clicked - click_rate[position_of_entry] * examination),
        n,
    )
    value, margin = float(share @ click_rate), NormalDist().inv_cdf((1 + level) / 2) * sqrt(float((residual**2).sum()))
    return ConfidenceInterval(value, max(0.0, value - margin), value + margin)


def evaluate_logged(
    *,
    lengths: Ints,
    clicked_response: Ints,
    clicked_position: Ints,
    curve: ExaminationCurve,
    clip: float = CLIP,
    level: float = 0.95,
) -> LoggedFigures:
    """Evaluate the logged responses as if every position were examined like the first.

    lengths: (n,) how many products each response showed; clicked_response, clicked_position: one entry per clicked product. Two models
    that show equally good products at different positions get the same estimate although their raw rates differ. Intervals treat
    a response as one observation, because clicks within it depend on each other.
    """
    require_positions(clicked_position)
    n, ones = len(lengths), np.ones(len(clicked_response))
    weight = 1.0 / curve.get_examination(clicked_position)
    return LoggedFigures(
        responses=n,
        items=int(lengths.sum()),
        clicks=len(clicked_response),
        raw=estimate_ratio(np.bincount(clicked_response, ones, n), lengths, level=level),
        estimate=estimate_ratio(np.bincount(clicked_response, np.minimum(weight, clip), n), lengths, level=level),
        clipped=compute_share(weight > clip),
    )


def estimate_ratio(numerators: npt.ArrayLike, denominators: npt.ArrayLike, *, level: float) -> ConfidenceInterval:
    """Return Σ above / Σ below over responses with its linearized interval; low ≥ 0, NaN if Σ below is 0.

    Variance Σ (above − R·below)² / (Σ below)². Source: Cochran, Sampling Techniques, 1977, section 6.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    total = float(bottom.sum())
    if total <= 0:
        return ConfidenceInterval(nan, nan, nan)
    value = float(top.sum() / total)
    margin = NormalDist().inv_cdf((1 + level) / 2) * sqrt(float(((top - value * bottom) ** 2).sum())) / total
    return ConfidenceInterval(value, max(0.0, value - margin), value + margin)


def compute_share(mask: npt.NDArray[np.bool_]) -> float:
    """Return the share of True, 0 for an empty mask."""
    return float(mask.mean()) if len(mask) else 0.0


def require_positions(position: Ints) -> None:
    """Check that positions count from 1. Errors: ValueError."""
    if len(position) and position.min() < 1:
        raise ValueError(f"positions count from 1, got {position.min()}")
