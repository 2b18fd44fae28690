"""Evaluates probabilities against actual outcomes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.statistics import compute_wilson_bounds
from customers.lifecycle.scoring.propensity.models.array_models import to_log_odds

BINS = 10
MAX_LOG_ODDS = 60.0  # in log-odds; beyond it all scores are 0 or 1


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Bins of about equally many customers, lowest scores first; all shape (b,).

    predicted: mean score; actual: share of positives, with low and high of its 95 % interval (Wilson); customers: per bin.
    """

    predicted: Floats
    actual: Floats
    low: Floats
    high: Floats
    customers: Ints


@dataclass(frozen=True, eq=False)
class PropensityMetrics:
    """Metrics of n scores.

    auc, brier: None where all or none are positive (auc) or there are no customers. rate: share of positives; mean_predicted: mean score.
    lift: (10,), by decile of the customers, highest scores first, over the rate; None without positives.
    """

    customers: int
    positives: int
    rate: float | None
    mean_predicted: float | None
    auc: float | None
    brier: float | None
    skill: float | None
    calibration_error: float | None
    lift: Floats | None
    curve: CalibrationCurve

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **vars(self),
            "lift": None if self.lift is None else self.lift.tolist(),
            "curve": {name: values.tolist() for name, values in vars(self.curve).items()},
        }


def evaluate_scores(*, score: Floats, label: npt.NDArray[np.bool_]) -> PropensityMetrics:
    """Compute all metrics of scores, shape (n,), against labels, shape (n,).

    skill: 1 − Brier / Brier of the constant rate.
    This is also the backtest: scores of an earlier run against labels measured today.
    Errors: ValueError for different shapes or a score outside 0…1.
    """
    _check_scores(score, label)
    n, positives = len(label), int(label.sum())
    curve = calibration_curve(score=score, label=label)
    if not n:
        return PropensityMetrics(0, 0, None, None, None, None, None, None, None, curve)
    rate = positives / n
    has_both_labels = 0 < positives < n
    error = brier_score(score=score, label=label)
    return PropensityMetrics(
        customers=n,
        positives=positives,
        rate=rate,
        mean_predicted=float(score.mean()),
        auc=auc(score=score, label=label) if has_both_labels else None,
        brier=error,
        skill=1 - error / (rate * (1 - rate)) if has_both_labels else None,
        calibration_error=expected_calibration_error(curve),
        lift=lift_by_bin(score=score, label=label) if positives else None,
        curve=curve,
    )


def auc(*, score: Floats, label: Flags) -> float:
    """Return the share of pairs in which the positive has the higher score, ties half.

    A pair is a positive and a negative.
    (R − P (P + 1) / 2) / (P N), R the sum of the positives' mean ranks. Source: Mann & Whitney, Ann. Math. Stat. 1947; Hanley &
    McNeil, Radiology 1982. Errors: ValueError without positives or negatives.
    """
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        raise ValueError(f"auc needs positives and negatives, got {positives} and {negatives}")
    _values, index, count = np.unique(score, return_inverse=True, return_counts=True)
    # Ranks count from 1; equal scores share the mean of their ranks.
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks = float(mean_rank[index[label]].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def brier_score(*, score: Floats, label: Flags) -> float:
    """Return the mean of (score − label)². Source: Brier, Monthly Weather Review 1950."""
    return float(np.mean((score - label) ** 2))


def lift_by_bin(*, score: Floats, label: Flags, bins: int = BINS) -> Floats:
    """Return the lift of each of `bins` equal parts, highest scores first; shape (bins,).

    It is the part's positive rate over the overall rate.
    Customers with equal scores count as their mean, so the row order doesn't matter. A part may end between two customers: the one
    at the border counts for both, by its share. Errors: ValueError without positives.
    """
    borders = np.linspace(0, len(label), bins + 1)
    positives = np.diff(np.interp(borders, np.arange(len(label) + 1), _accumulate_positives(score, label)))
    lift: Floats = positives / (len(label) / bins) / label.mean()
    return lift


def lift_at_share(*, score: Floats, label: Flags, share: float = 0.1) -> float:
    """Return the lift of the highest-scored share.

    Errors: ValueError as for `lift_by_bin`, or a share outside 0…1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    positives = np.interp(share * len(label), np.arange(len(label) + 1), _accumulate_positives(score, label))
    return float(positives / (share * len(label)) / label.mean())


def _accumulate_positives(score: Floats, label: Flags) -> Floats:
    """Return the positives among the first 0, 1, … n customers, highest scores first.

    Shape (n + 1,).
    """
    if not label.any():
        raise ValueError("lift needs at least one positive, got none")
    _values, index = np.unique(-score, return_inverse=True)
    # Each customer counts as the positive rate among equal scores.
    mean = np.bincount(index, label) / np.bincount(index)
    return np.concatenate(([0.0], np.cumsum(mean[np.sort(index)])))


def calibration_curve(*, score: Floats, label: Flags, bins: int = BINS) -> CalibrationCurve:
    """Split customers in order of score into equal parts.

    Equal scores stay together, in the part of their middle.
    """
    order = np.argsort(score, kind="stable")
    _values, first, count = np.unique(score[order], return_index=True, return_counts=True)
    middle = first + (count - 1) / 2
    part = np.repeat((middle * bins / max(len(score), 1)).astype(np.int64), count)
    customers = np.bincount(part, minlength=bins)
    filled = customers > 0
    predicted, actual = (np.bincount(part, values[order], minlength=bins)[filled] for values in (score, label * 1.0))
    customers = customers[filled]
    low, high = compute_wilson_bounds(actual, customers)
    return CalibrationCurve(predicted / customers, actual / customers, low, high, customers)


def expected_calibration_error(curve: CalibrationCurve) -> float:
    """Return Σ customers · |predicted − actual| / all. Source: Naeini et al., AAAI 2015."""
    return float(np.average(np.abs(curve.predicted - curve.actual), weights=curve.customers))


def max_calibration_gap(curve: CalibrationCurve) -> float:
    """Return the largest difference between predicted and actual of a bin."""
    return float(np.abs(curve.predicted - curve.actual).max())


def simulate_max_gap(
    curve: CalibrationCurve, *, seed: int, quantiles: tuple[float, ...] = (0.5, 0.95), draws: int = 1000
) -> Floats:
    """Return quantiles of the largest gap of a curve with exactly right predictions.

    Small bins vary by chance.
    The outcomes of each bin are binomial. Source: Bröcker & Smith, Weather and Forecasting 2007. Errors: ValueError without bins.
    """
    if not len(curve.predicted):
        raise ValueError("the curve must have at least one bin, got none")
    simulated = (
        np.random.default_rng(seed).binomial(curve.customers, curve.predicted, (draws, len(curve.predicted)))
        / curve.customers
    )
    gaps: Floats = np.quantile(np.abs(simulated - curve.predicted).max(axis=1), quantiles)
    return gaps


def shift_to_rate(*, score: Floats, rate: float) -> Floats:
    """Return the scores, (n,), shifted by a constant in log-odds so that their mean is the rate.

    The remaining error is one of shape, not of level. Errors: ValueError for a rate outside 0…1.
    """
    shifted: Floats = expit(to_log_odds(score) + find_level_shift(score=score, rate=rate))
    return shifted


def find_level_shift(*, score: Floats, rate: float) -> float:
    """Return the constant in log-odds with which the mean of the shifted scores is the rate.

    Errors: ValueError for a rate outside 0…1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must be between 0 and 1, got {rate}")
    odds = to_log_odds(score)
    return float(brentq(lambda step: expit(odds + step).mean() - rate, -MAX_LOG_ODDS, MAX_LOG_ODDS))


def _check_scores(score: Floats, label: Flags) -> None:
    """Raise ValueError for different shapes or a score outside 0…1."""
    if score.shape != label.shape:
        raise ValueError(f"score has shape {score.shape} and label {label.shape}; pass both for the same customers")
    if len(score) and not (score.min() >= 0 and score.max() <= 1):
        raise ValueError(f"score must be between 0 and 1, got {score.min()} to {score.max()}")
