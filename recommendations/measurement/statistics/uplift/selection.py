"""Chooses the learner on rows that none was fitted on."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.processes.thread_limits import limit_numeric_threads
from recommendations.measurement.statistics.uplift.cross_fitting import (
    FittedOutcomes,
    TrainingRows,
    compute_doubly_robust_effects,
    fit_outcomes,
)
from recommendations.measurement.statistics.uplift.outcome_models import ModelChoices, Predictor
from recommendations.measurement.statistics.uplift.registry import LEARNERS

VALIDATION_FOLDS = 3  # one of them is kept for validation
MAX_TRAINING_ROWS = 400_000


@dataclass(frozen=True, eq=False)
class ChosenLearner:
    """learners: all, fitted on all training rows. best: the name chosen on validation. scores: the validation score of each.

    candidates: the kind of each model, chosen by cross-validation.
    """

    learners: dict[str, Predictor]
    outcomes: FittedOutcomes
    best: str
    scores: dict[str, float]
    candidates: dict[str, str]


def fit_and_choose(rows: TrainingRows, *, seed: int = 3) -> ChosenLearner:
    """Fit every learner on two thirds, choose on the other third, then fit all again on all rows.

    The criterion is the area under the curve of the doubly robust effects in the order of the learner: unbiased for the true one and less
    noisy than counting outcomes. Source: Yadlowsky et al., "Evaluating Treatment Prioritization Rules", JASA 2025.
    """
    with limit_numeric_threads():
        return fit_all_learners(rows, seed)


def fit_all_learners(rows: TrainingRows, seed: int) -> ChosenLearner:
    is_validation = rows.draw_folds(VALIDATION_FOLDS, seed=seed) == 0
    training, validation = rows.select(~is_validation), rows.select(is_validation)
    choices = ModelChoices()
    outcomes = fit_outcomes(training, choices)
    effects = compute_doubly_robust_effects(
        validation,
        treated=outcomes.treated_model.predict(validation.matrix),
        control=outcomes.control_model.predict(validation.matrix),
    )
    scores = {
        name: compute_gain_area(fit(training, outcomes, choices).predict(validation.matrix), effects)
        for name, fit in LEARNERS.items()
    }
    best = max(scores, key=lambda name: scores[name])
    final = fit_outcomes(rows, choices)
    learners = {name: fit(rows, final, choices) for name, fit in LEARNERS.items()}
    return ChosenLearner(learners, final, best, scores, choices.names)


def compute_gain_area(score: Floats, effects: Floats) -> float:
    """Return the area under the mean gain of treating the customers with the highest scores, above that of a random order.

    Ties share the mean effect of their group, so a constant score has the area 0.
    """
    _values, group = np.unique(-score, return_inverse=True)
    mean = np.bincount(group, effects) / np.bincount(group)
    gain = np.cumsum(mean[group][np.argsort(-score, kind="stable")]) / len(effects)
    return float(gain.mean() - gain[-1] * (len(effects) + 1) / (2 * len(effects)))
