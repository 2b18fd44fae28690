"""Calibrates a model's probabilities on customers that it has not seen."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.models.array_models import MIN_PROBABILITY, Arrays, to_log_odds

type CalibrationType = Literal["none", "shift", "platt", "isotonic"]

CALIBRATION_TYPES: tuple[CalibrationType, ...] = ("none", "platt", "isotonic")
FOLDS = 5
MIN_ISOTONIC_ROWS = 1000  # Niculescu-Mizil & Caruana, ICML 2005: below it isotonic regression overfits
NEWTON_STEPS = 50
RIDGE = 1e-6
MIN_STEP = 1e-9


@dataclass(frozen=True, eq=False)
class Calibration:
    """A map of a model's scores p to calibrated probabilities.

    none: p. shift: 1 / (1 + exp(−(a + logit p))), x = (a,). platt: 1 / (1 + exp(−(a + b · logit p))), x = (a, b). isotonic: linear
    between the points (x, y), x in log-odds.
    """

    kind: CalibrationType
    x: Floats
    y: Floats

    def apply(self, probability: Floats) -> Floats:
        """Return calibrated probabilities, (n,); never 0 or 1."""
        if self.kind == "none":
            calibrated = probability
        elif self.kind == "shift":
            calibrated = expit(self.x[0] + to_log_odds(probability))
        elif self.kind == "platt":
            calibrated = expit(self.x[0] + self.x[1] * to_log_odds(probability))
        else:
            calibrated = np.interp(to_log_odds(probability), self.x, self.y)
        return np.clip(calibrated, MIN_PROBABILITY, 1 - MIN_PROBABILITY)

    def to_arrays(self) -> Arrays:
        return {"x": self.x, "y": self.y}


UNCALIBRATED = Calibration("none", np.empty(0), np.empty(0))


def make_shift(shift: float) -> Calibration:
    """Return a calibration that moves all scores by one number in log-odds."""
    return Calibration("shift", np.array([shift]), np.empty(0))


def fit_calibration(*, kind: CalibrationType, probability: Floats, label: Flags) -> Calibration:
    """Fit a calibration. probability, label: (n,), of customers the model has not seen.

    shift: the level only. platt: logistic regression on the log-odds with Platt's targets (P + 1) / (P + 2) and 1 / (N + 2); where the
    scores don't rise with the labels (b ≤ 0) only the level is fitted. isotonic: see `fit_centered_isotonic`.
    Sources: Platt, Advances in Large Margin Classifiers 1999; Zadrozny & Elkan, KDD 2002.
    """
    if kind == "none" or not 0 < label.sum() < len(label):
        return UNCALIBRATED
    odds = to_log_odds(probability)
    if kind == "shift":
        return make_shift(_fit_logistic(np.ones((len(odds), 1)), odds, label.astype(np.float64))[0])
    if kind == "platt":
        return Calibration("platt", np.array(_fit_platt(odds, label)), np.empty(0))
    x, y = fit_centered_isotonic(x=odds, label=label, increasing=True)
    return Calibration("isotonic", x, y)


def fit_centered_isotonic(*, x: Floats, label: Flags, increasing: bool) -> tuple[Floats, Floats]:
    """Return the isotonic regression of label on x as points.

    A point is a block's mean x and its share (P + ½) / (n + 1).
    Linear in between, unlike steps, so it keeps the order of x wherever that is informative. Source: Oron & Flournoy, Stat. Biopharm.
    Res. 2017.
    """
    from sklearn.isotonic import IsotonicRegression  # web processes never need it, and would start more slowly

    order = np.argsort(x, kind="stable")
    level = IsotonicRegression(increasing=increasing).fit_transform(x, label.astype(np.float64))[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(level) != 0)))
    rows = np.diff(np.concatenate((starts, [len(x)])))
    middle = np.add.reduceat(x[order], starts) / rows
    share = (np.add.reduceat(label[order].astype(np.float64), starts) + 0.5) / (rows + 1.0)
    # The added ½ and 1 pull small blocks further towards ½, so that the shares of neighbors may cross; the order is restored.
    running = np.maximum.accumulate(share) if increasing else np.minimum.accumulate(share)
    return middle, running


def select_calibration(*, probability: Floats, label: Flags, group: Ints, cutoff: Ints, seed: int) -> Calibration:
    """Select the calibration with the lowest Brier score on unseen rows, and fit it on all.

    With two cutoffs or more each is evaluated on the cutoff after the one it was fitted on, as it will be used; else on folds of
    customers `group`. A more flexible one must be better by more than one standard error of its paired difference.
    """
    if not 0 < label.sum() < len(label):
        return UNCALIBRATED
    kinds = CALIBRATION_TYPES if len(label) >= MIN_ISOTONIC_ROWS else CALIBRATION_TYPES[:2]
    splits = split_for_calibration(group, cutoff, seed)
    best, best_errors = kinds[0], _compute_squared_errors(kinds[0], probability, label, splits)
    for kind in kinds[1:]:
        errors = _compute_squared_errors(kind, probability, label, splits)
        gain = best_errors - errors
        if gain.mean() > gain.std() / np.sqrt(max(len(gain), 1)):
            best, best_errors = kind, errors
    return fit_calibration(kind=best, probability=probability, label=label)


def split_for_calibration(group: Ints, cutoff: Ints, seed: int) -> list[tuple[Ints, Ints]]:
    """Return pairs of rows to fit on and rows to evaluate on."""
    cutoffs = np.unique(cutoff)
    if len(cutoffs) > 1:
        return [(np.flatnonzero(cutoff <= a), np.flatnonzero(cutoff == b)) for a, b in pairwise(cutoffs)]
    fold = assign_folds(group, FOLDS, seed)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(FOLDS)]


def assign_folds(group: Ints, folds: int, seed: int) -> Ints:
    """Return a fold for each row, the same for all rows of a customer."""
    _ids, index = np.unique(group, return_inverse=True)
    fold_of_group = np.random.default_rng(seed).permutation(len(_ids)) % folds
    return fold_of_group[index]


def _compute_squared_errors(
    kind: CalibrationType, probability: Floats, label: Flags, splits: list[tuple[Ints, Ints]]
) -> Floats:
    """Return the squared errors of a calibration type on the evaluation rows of all splits."""
    parts = []
    for fit_rows, evaluation_rows in splits:
        calibration = fit_calibration(kind=kind, probability=probability[fit_rows], label=label[fit_rows])
        parts.append((calibration.apply(probability[evaluation_rows]) - label[evaluation_rows]) ** 2)
    return np.concatenate(parts)


def _fit_platt(odds: Floats, label: Flags) -> tuple[float, float]:
    """Return (a, b) of Platt's scaling."""
    positives = float(label.sum())
    target = np.where(label, (positives + 1) / (positives + 2), 1 / (len(label) - positives + 2))
    a, b = _fit_logistic(np.column_stack((np.ones(len(odds)), odds)), np.zeros(len(odds)), target)
    if b > 0:
        return a, b
    # A slope of 0 or below would level or reverse the order of the scores.
    level = _fit_logistic(np.ones((len(odds), 1)), odds, target)
    return level[0], 1.0


def _fit_logistic(design: Floats, offset: Floats, target: Floats) -> list[float]:
    """Fit a logistic regression by Newton's method with halved steps and a negligible ridge."""

    def compute_loss(beta: Floats) -> float:
        margin = offset + design @ beta
        return float((np.logaddexp(0.0, margin) - target * margin).sum() + RIDGE / 2 * beta @ beta)

    beta = np.zeros(design.shape[1])
    current_loss = compute_loss(beta)
    for _ in range(NEWTON_STEPS):
        probability = expit(offset + design @ beta)
        weight = probability * (1 - probability)
        curvature = (design * weight[:, None]).T @ design + RIDGE * np.eye(len(beta))
        step = np.linalg.solve(curvature, design.T @ (target - probability) - RIDGE * beta)
        # A full Newton step can overshoot where probabilities are close to 0 or 1.
        while np.abs(step).max() > MIN_STEP and compute_loss(beta + step) > current_loss:
            step = step / 2
        beta = beta + step
        current_loss = compute_loss(beta)
        if np.abs(step).max() <= MIN_STEP:
            break
    return [float(value) for value in beta]
