"""How good probabilities were, once it is known what happened."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.statistics import wilson_bounds
from customers.lifecycle.scoring.propensity.models.array_models import to_log_odds

BINS = 10
FARTHEST = 60.0  # in log-odds, beyond which all are 0 or 1


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """By bins of about equally many, lowest scores first; all shape (b,). said: mean score; happened: share that came true, in
    low to high with 95 % (Wilson); customers: how many."""

    said: Floats
    happened: Floats
    low: Floats
    high: Floats
    customers: Ints


@dataclass(frozen=True, eq=False)
class Quality:
    """auc, brier: figures; None where all or none came true (auc) or there is nobody. rate: share that came true; said: mean score.
    lift: (10,), by tenths of the customers, highest scores first, against the rate; None where nothing came true."""

    customers: int
    positives: int
    rate: float | None
    said: float | None
    auc: float | None
    brier: float | None
    skill: float | None
    calibration_error: float | None
    lift: Floats | None
    curve: CalibrationCurve

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **vars(self),
            "lift": None if self.lift is None else self.lift.tolist(),
            "curve": {name: values.tolist() for name, values in vars(self.curve).items()},
        }


def judge(*, score: Floats, label: npt.NDArray[np.bool_]) -> Quality:
    """All figures of scores, shape (n,), against what came true, shape (n,). skill: 1 − Brier / Brier of saying the rate to all.

    This is also the backtest: scores kept from an earlier run against labels measured today.
    Errors: ValueError for different shapes or a score that isn't from 0 to 1.
    """
    _check(score, label)
    n, positives = len(label), int(label.sum())
    curve = calibration_curve(score=score, label=label)
    if not n:
        return Quality(0, 0, None, None, None, None, None, None, None, curve)
    rate = positives / n
    both = 0 < positives < n
    error = brier(score=score, label=label)
    return Quality(
        customers=n,
        positives=positives,
        rate=rate,
        said=float(score.mean()),
        auc=auc(score=score, label=label) if both else None,
        brier=error,
        skill=1 - error / (rate * (1 - rate)) if both else None,
        calibration_error=calibration_error(curve),
        lift=lift(score=score, label=label) if positives else None,
        curve=curve,
    )


def auc(*, score: Floats, label: Flags) -> float:
    """The share of pairs of one that came true and one that didn't in which the first has the higher score, equals half.

    (R − P (P + 1) / 2) / (P N), R the sum of the positives' mean ranks. Source: Mann & Whitney, Ann. Math. Stat. 1947; Hanley &
    McNeil, Radiology 1982. Errors: ValueError where one of both is missing.
    """
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        raise ValueError(f"auc needs positives and negatives, got {positives} and {negatives}")
    _values, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks = float(mean_rank[place[label]].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def brier(*, score: Floats, label: Flags) -> float:
    """Mean of (score − label)². Source: Brier, Monthly Weather Review 1950."""
    return float(np.mean((score - label) ** 2))


def lift(*, score: Floats, label: Flags, bins: int = BINS) -> Floats:
    """The share that came true in each of `bins` equal parts, highest scores first, over that of all; shape (bins,).

    Of customers with equal scores each counts as their mean, so the order of the file doesn't matter. Parts may end between two
    customers: the one at the border counts for both, by its share. Errors: ValueError where nothing came true.
    """
    borders = np.linspace(0, len(label), bins + 1)
    taken = np.diff(np.interp(borders, np.arange(len(label) + 1), _gains(score, label)))
    found: Floats = taken / (len(label) / bins) / label.mean()
    return found


def lift_at(*, score: Floats, label: Flags, share: float = 0.1) -> float:
    """Lift of the highest-scored share. Errors: ValueError as for `lift`, or a share outside 0…1."""
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    taken = np.interp(share * len(label), np.arange(len(label) + 1), _gains(score, label))
    return float(taken / (share * len(label)) / label.mean())


def _gains(score: Floats, label: Flags) -> Floats:
    """How many of the first 0, 1, … n customers came true, highest scores first; shape (n + 1,)."""
    if not label.any():
        raise ValueError("lift needs at least one positive, got none")
    _values, place = np.unique(-score, return_inverse=True)
    mean = np.bincount(place, label) / np.bincount(place)
    return np.concatenate(([0.0], np.cumsum(mean[np.sort(place)])))


def calibration_curve(*, score: Floats, label: Flags, bins: int = BINS) -> CalibrationCurve:
    """Customers in order of score, cut into equal parts; equal scores stay together, in the part of their middle."""
    order = np.argsort(score, kind="stable")
    _values, first, count = np.unique(score[order], return_index=True, return_counts=True)
    middle = first + (count - 1) / 2
    part = np.repeat((middle * bins / max(len(score), 1)).astype(np.int64), count)
    customers = np.bincount(part, minlength=bins)
    there = customers > 0
    said, happened = (np.bincount(part, values[order], minlength=bins)[there] for values in (score, label * 1.0))
    customers = customers[there]
    low, high = wilson_bounds(happened, customers)
    return CalibrationCurve(said / customers, happened / customers, low, high, customers)


def calibration_error(curve: CalibrationCurve) -> float:
    """Σ customers · |said − happened| / all: the expected calibration error. Source: Naeini et al., AAAI 2015."""
    return float(np.average(np.abs(curve.said - curve.happened), weights=curve.customers))


def largest_gap(curve: CalibrationCurve) -> float:
    """The largest difference between said and happened of a bin."""
    return float(np.abs(curve.said - curve.happened).max())


def gap_by_chance(
    curve: CalibrationCurve, *, seed: int, quantiles: tuple[float, ...] = (0.5, 0.95), draws: int = 1000
) -> Floats:
    """Quantiles of the largest gap of such a curve if what it says were exactly right: of small bins some are far off.

    The outcomes of each bin are binomial. Source: Bröcker & Smith, Weather and Forecasting 2007. Errors: ValueError without bins.
    """
    if not len(curve.said):
        raise ValueError("the curve has no bins; a gap needs somebody")
    happened = (
        np.random.default_rng(seed).binomial(curve.customers, curve.said, (draws, len(curve.said))) / curve.customers
    )
    found: Floats = np.quantile(np.abs(happened - curve.said).max(axis=1), quantiles)
    return found


def at_level(*, score: Floats, rate: float) -> Floats:
    """The scores, (n,), all moved by one number in log-odds so that their mean is the rate: what is left of an error is of their shape.

    Errors: ValueError for a rate that is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must be between 0 and 1, got {rate}")
    odds = to_log_odds(score)
    moved = brentq(lambda by: expit(odds + by).mean() - rate, -FARTHEST, FARTHEST)
    found: Floats = expit(odds + moved)
    return found


def _check(score: Floats, label: Flags) -> None:
    if score.shape != label.shape:
        raise ValueError(f"score has shape {score.shape} and label {label.shape}; give both for the same customers")
    if len(score) and not (score.min() >= 0 and score.max() <= 1):
        raise ValueError(f"score must be from 0 to 1, got {score.min()} to {score.max()}")
