"""What another ranking would have been clicked, estimated from what was shown: clicks weighed by how likely they were seen.

With θ the examination of `position_bias`: a click at logged position k counts θ_t / θ_k for the position t at which the other ranking
has the product, at most ``clip`` times. Sources: Joachims, Swaminathan & Schnabel, WSDM 2017 (inverse propensities of positions);
Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen, KDD 2018 (rankings judged under a position-based model). The self-normalized
figure divides, for each place of the other ranking, clicks by how much was looked at (clicks over expected clicks, Zhang & Jones,
WWW 2007; self-normalisation after Swaminathan & Joachims, NIPS 2015): no weight is large, and it is off where better products
stood higher before. Unbiased as far as the curve is right and no weight is clipped; products that the other
ranking has and the logged one had not are unknown, ``coverage`` says how many are known.
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
    """ips and snips: clicks an answer of the other ranking; coverage: share of its places whose product was shown; clipped: of clicks."""

    ips: ConfidenceInterval
    snips: ConfidenceInterval
    coverage: float
    clipped: float


@dataclass(frozen=True)
class LoggedFigures:
    """raw: clicks a product shown; estimate: the same if every position were looked at as the first is."""

    answers: int
    items: int
    clicks: int
    raw: ConfidenceInterval
    estimate: ConfidenceInterval
    clipped: float


def estimate_clicks(
    *,
    answer: Ints,
    position: Ints,
    clicked: npt.NDArray[np.bool_],
    target: Ints,
    length: Ints,
    curve: ExaminationCurve,
    clip: float = CLIP,
    level: float = 0.95,
) -> ClickEstimates:
    """How often a ranking would be clicked.

    answer, position, clicked: one entry a product shown: in which answer (0…n−1), where, whether clicked. target: where the other
    ranking has it in the same answer, 0 if nowhere. length: (n,) how many products the other ranking shows in each answer.
    """
    require_positions(position)
    n = len(length)
    moved = np.divide(curve.at(np.maximum(target, 1)), curve.at(position))
    weight = np.where(target > 0, np.minimum(moved, clip), 0.0)
    gained = np.bincount(answer, weight * clicked, n)
    known = target > 0
    return ClickEstimates(
        ips=weighted_ratio(gained, np.ones(n), level=level),
        snips=normalize_estimates(
            answer[known], curve.at(position[known]), clicked[known], target[known], n, curve, level
        ),
        coverage=float(known.sum() / length.sum()) if length.sum() else nan,
        clipped=compute_share((moved > clip)[clicked & known]),
    )


def normalize_estimates(
    answer: Ints,
    looked: npt.NDArray[np.float64],
    clicked: npt.NDArray[np.bool_],
    target: Ints,
    n: int,
    curve: ExaminationCurve,
    level: float,
) -> ConfidenceInterval:
    """Σ_t θ_t · n_t / n · (clicks / examinations of the products that the other ranking has at t), with the linearised interval."""
    if not len(target):
        return ConfidenceInterval(0.0 if n else nan, 0.0 if n else nan, 0.0 if n else nan)
    places, place = np.unique(target, return_inverse=True)
    wanted = np.bincount(place, clicked) / np.bincount(place, looked)
    share = curve.at(places) * np.bincount(place) / n
    residual = np.bincount(answer, (share / np.bincount(place, looked))[place] * (clicked - wanted[place] * looked), n)
    value, reach = float(share @ wanted), NormalDist().inv_cdf((1 + level) / 2) * sqrt(float((residual**2).sum()))
    return ConfidenceInterval(value, max(0.0, value - reach), value + reach)


def evaluate_logged(
    *,
    lengths: Ints,
    clicked_answer: Ints,
    clicked_position: Ints,
    curve: ExaminationCurve,
    clip: float = CLIP,
    level: float = 0.95,
) -> LoggedFigures:
    """What was shown, judged as if every position were looked at as much as the first.

    lengths: (n,) how many products each answer showed; clicked_answer, clicked_position: one entry a product that was clicked. Two
    models that show equally good products at different positions get the same estimate, where their raw rates differ. Intervals count
    an answer as one observation, because clicks within it depend on each other.
    """
    require_positions(clicked_position)
    n, ones = len(lengths), np.ones(len(clicked_answer))
    weight = 1.0 / curve.at(clicked_position)
    return LoggedFigures(
        answers=n,
        items=int(lengths.sum()),
        clicks=len(clicked_answer),
        raw=weighted_ratio(np.bincount(clicked_answer, ones, n), lengths, level=level),
        estimate=weighted_ratio(np.bincount(clicked_answer, np.minimum(weight, clip), n), lengths, level=level),
        clipped=compute_share(weight > clip),
    )


def weighted_ratio(above: npt.ArrayLike, below: npt.ArrayLike, *, level: float) -> ConfidenceInterval:
    """Σ above / Σ below over answers, with the interval of the linearised ratio; never below 0, NaN where nothing is below.

    Variance Σ (above − R·below)² / (Σ below)². Source: Cochran, Sampling Techniques, 1977, section 6.
    """
    top, bottom = np.asarray(above, np.float64), np.asarray(below, np.float64)
    total = float(bottom.sum())
    if total <= 0:
        return ConfidenceInterval(nan, nan, nan)
    value = float(top.sum() / total)
    reach = NormalDist().inv_cdf((1 + level) / 2) * sqrt(float(((top - value * bottom) ** 2).sum())) / total
    return ConfidenceInterval(value, max(0.0, value - reach), value + reach)


def compute_share(chosen: npt.NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if len(chosen) else 0.0


def require_positions(position: Ints) -> None:
    """Errors: ValueError."""
    if len(position) and position.min() < 1:
        raise ValueError(f"positions count from 1, got {position.min()}")
