"""Makes a model's probabilities mean what they say, on customers that it has not seen."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.models.array_models import LEAST_PROBABILITY, Arrays, to_log_odds

type CalibrationKind = Literal["none", "platt", "isotonic"]

KINDS: tuple[CalibrationKind, ...] = ("none", "platt", "isotonic")
FOLDS = 5
LEAST_ISOTONIC_ROWS = 1000  # Niculescu-Mizil & Caruana, ICML 2005: below it isotonic regression overfits
NEWTON_STEPS = 50
SMALL_RIDGE = 1e-6
SMALLEST_STEP = 1e-9


@dataclass(frozen=True, eq=False)
class Calibration:
    """none: p. platt: 1 / (1 + exp(−(a + b · logit p))), x = (a, b). isotonic: straight between the points (x, y), x in log-odds."""

    kind: CalibrationKind
    x: Floats
    y: Floats

    def apply(self, chance: Floats) -> Floats:
        """Calibrated probabilities, (n,), of uncalibrated ones; never 0 or 1."""
        if self.kind == "none":
            found = chance
        elif self.kind == "platt":
            found = expit(self.x[0] + self.x[1] * to_log_odds(chance))
        else:
            found = np.interp(to_log_odds(chance), self.x, self.y)
        return np.clip(found, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)

    def arrays(self) -> Arrays:
        return {"x": self.x, "y": self.y}


UNCALIBRATED = Calibration("none", np.empty(0), np.empty(0))


def fit_calibration(*, kind: CalibrationKind, chance: Floats, label: Flags) -> Calibration:
    """chance, label: (n,), of customers the model has not seen.

    platt: logistic regression on the log-odds with Platt's targets (P + 1) / (P + 2) and 1 / (N + 2); where the scores don't rise
    with the labels (b ≤ 0) only the level is set. isotonic: see `centred_isotonic`.
    Sources: Platt, Advances in Large Margin Classifiers 1999; Zadrozny & Elkan, KDD 2002.
    """
    if kind == "none" or not 0 < label.sum() < len(label):
        return UNCALIBRATED
    odds = to_log_odds(chance)
    if kind == "platt":
        return Calibration("platt", np.array(_platt(odds, label)), np.empty(0))
    x, y = centred_isotonic(x=odds, label=label, increasing=True)
    return Calibration("isotonic", x, y)


def centred_isotonic(*, x: Floats, label: Flags, increasing: bool) -> tuple[Floats, Floats]:
    """The isotonic regression of label on x as points: each block's mean x and its share (P + ½) / (n + 1), straight in between.

    Unlike steps this keeps the order of x wherever it tells something. Source: Oron & Flournoy, Stat. Biopharm. Res. 2017.
    """
    order = np.argsort(x, kind="stable")
    level = IsotonicRegression(increasing=increasing).fit_transform(x, label.astype(np.float64))[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(level) != 0)))
    rows = np.diff(np.concatenate((starts, [len(x)])))
    middle = np.add.reduceat(x[order], starts) / rows
    share = (np.add.reduceat(label[order].astype(np.float64), starts) + 0.5) / (rows + 1.0)
    running = np.maximum.accumulate(share) if increasing else np.minimum.accumulate(share)
    return middle, running


def choose_calibration(*, chance: Floats, label: Flags, group: Ints, cut: Ints, seed: int) -> Calibration:
    """The calibration whose probabilities come closest (Brier) on rows it has not seen, fitted on all of them.

    With two cuts or more each is judged on the cut after the one it was fitted on, which is how it will be used; else on folds of
    customers `group`. A more flexible one has to be better by more than one standard error of its paired difference.
    """
    if not 0 < label.sum() < len(label):
        return UNCALIBRATED
    kinds = KINDS if len(label) >= LEAST_ISOTONIC_ROWS else KINDS[:2]
    splits = calibration_splits(group, cut, seed)
    best, best_errors = kinds[0], _errors(kinds[0], chance, label, splits)
    for kind in kinds[1:]:
        errors = _errors(kind, chance, label, splits)
        gain = best_errors - errors
        if gain.mean() > gain.std() / np.sqrt(max(len(gain), 1)):
            best, best_errors = kind, errors
    return fit_calibration(kind=best, chance=chance, label=label)


def calibration_splits(group: Ints, cut: Ints, seed: int) -> list[tuple[Ints, Ints]]:
    """Pairs of rows to fit on and rows to judge on."""
    cuts = np.unique(cut)
    if len(cuts) > 1:
        return [(np.flatnonzero(cut <= a), np.flatnonzero(cut == b)) for a, b in pairwise(cuts)]
    fold = folds_of(group, FOLDS, seed)
    return [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(FOLDS)]


def folds_of(group: Ints, folds: int, seed: int) -> Ints:
    """A fold for each row, the same for all rows of a customer."""
    _ids, place = np.unique(group, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(_ids)) % folds
    return dealt[place]


def _errors(kind: CalibrationKind, chance: Floats, label: Flags, splits: list[tuple[Ints, Ints]]) -> Floats:
    parts = []
    for fitted, judged in splits:
        found = fit_calibration(kind=kind, chance=chance[fitted], label=label[fitted])
        parts.append((found.apply(chance[judged]) - label[judged]) ** 2)
    return np.concatenate(parts)


def _platt(odds: Floats, label: Flags) -> tuple[float, float]:
    positives = float(label.sum())
    target = np.where(label, (positives + 1) / (positives + 2), 1 / (len(label) - positives + 2))
    a, b = _newton(np.column_stack((np.ones(len(odds)), odds)), np.zeros(len(odds)), target)
    if b > 0:
        return a, b
    level = _newton(np.ones((len(odds), 1)), odds, target)
    return level[0], 1.0


def _newton(design: Floats, offset: Floats, target: Floats) -> list[float]:
    """Logistic regression by Newton's method with halved steps, and a ridge that is too small to be seen."""

    def loss(beta: Floats) -> float:
        margin = offset + design @ beta
        return float((np.logaddexp(0.0, margin) - target * margin).sum() + SMALL_RIDGE / 2 * beta @ beta)

    beta = np.zeros(design.shape[1])
    now = loss(beta)
    for _ in range(NEWTON_STEPS):
        chance = expit(offset + design @ beta)
        weight = chance * (1 - chance)
        curvature = (design * weight[:, None]).T @ design + SMALL_RIDGE * np.eye(len(beta))
        step = np.linalg.solve(curvature, design.T @ (target - chance) - SMALL_RIDGE * beta)
        while np.abs(step).max() > SMALLEST_STEP and loss(beta + step) > now:
            step = step / 2
        beta = beta + step
        now = loss(beta)
        if np.abs(step).max() <= SMALLEST_STEP:
            break
    return [float(value) for value in beta]
