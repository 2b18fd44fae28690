"""Cross-fitted outcome models of treated and control customers, which all learners share."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from recommendations.measurement.statistics.uplift.outcome_models import (
    MeanModel,
    ModelChoices,
    Predictor,
    assign_folds,
    choose_outcome_model,
    fit_outcome_model,
)

FOLDS = 3


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """n customers of randomized treatments.

    matrix: (n, k), features as they were before the treatment, may have NaN. treated: (n,). outcome: (n,). propensity: (n,), the share
    of the treatment in the customer's assignment. person: (n,), who the customer is, if one has several rows.
    """

    matrix: Floats
    treated: Flags
    outcome: Floats
    propensity: Floats
    person: Ints | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    def select(self, rows: "np.ndarray") -> "TrainingRows":
        person = self.person[rows] if self.person is not None else None
        return TrainingRows(self.matrix[rows], self.treated[rows], self.outcome[rows], self.propensity[rows], person)

    def draw_folds(self, folds: int, *, seed: int) -> Ints:
        """Return a random fold per row, (n,); all rows of a person are in one, so that no model predicts someone whom it has seen."""
        if self.person is None:
            return assign_folds(len(self), folds, seed=seed)
        people, row = np.unique(self.person, return_inverse=True)
        return assign_folds(len(people), folds, seed=seed)[row]


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    """The expected outcome of one group: its model reads the features and the expected outcome of all customers."""

    pooled: Predictor
    model: Predictor

    def predict(self, matrix: Floats) -> Floats:
        return self.model.predict(
            append_column(matrix, self.pooled.predict(append_column(matrix, np.zeros(len(matrix)))))
        )


@dataclass(frozen=True, eq=False)
class FittedOutcomes:
    """Expected outcomes with and without the treatment.

    treated, control: (n,), of the training rows, each by models that did not see the row. treated_model, control_model: the mean of those
    models, for other rows.
    """

    treated: Floats
    control: Floats
    treated_model: Predictor
    control_model: Predictor

    def add_first_estimates(self, matrix: Floats) -> Floats:
        """Return the features of other rows with the expected outcome without treatment and the effect as the last two."""
        control = self.control_model.predict(matrix)
        return np.column_stack([matrix, control, self.treated_model.predict(matrix) - control])


def fit_outcomes(rows: TrainingRows, choices: ModelChoices, *, seed: int = 2) -> FittedOutcomes:
    """Fit the outcome models of both groups, cross-fitted.

    A model of all customers comes first, and its prediction is a feature of the group's models: what both groups share is learned from
    both, and a group only adds what its customers show.
    """
    fold = rows.draw_folds(FOLDS, seed=seed)
    everyone = np.ones(len(rows), np.bool_)
    plain = append_column(rows.matrix, np.zeros(len(rows)))
    pooled, pooled_models = fit_folds(plain, rows.outcome, everyone, fold, "pooled", choices)
    shared = append_column(rows.matrix, pooled)
    fitted = []
    for name, group in (("treated", rows.treated), ("control", ~rows.treated)):
        predicted, models = fit_folds(shared, rows.outcome, group, fold, name, choices)
        pairs = [OutcomeModel(first, model) for first, model in zip(pooled_models, models, strict=True)]
        fitted.append((predicted, MeanModel(pairs)))
    return FittedOutcomes(fitted[0][0], fitted[1][0], fitted[0][1], fitted[1][1])


def fit_folds(
    matrix: Floats, outcome: Floats, group: Flags, fold: Ints, key: str, choices: ModelChoices
) -> tuple[Floats, list[Predictor]]:
    """Return the predictions of all rows by models of the group's other folds, and these models."""
    name = choices.get(key, lambda: choose_outcome_model(matrix[group], outcome[group]))
    predicted, models = np.empty(len(outcome)), []
    for number in range(FOLDS):
        inside = group & (fold != number)
        model = fit_outcome_model(matrix[inside], outcome[inside], name)
        predicted[fold == number] = model.predict(matrix[fold == number])
        models.append(model)
    return predicted, models


def append_column(matrix: Floats, column: Floats) -> Floats:
    return np.column_stack([matrix, column])


def compute_doubly_robust_effects(rows: TrainingRows, *, treated: Floats, control: Floats) -> Floats:
    """Return an unbiased, noisy effect per customer, (n,).

    μ₁ − μ₀ + t·(y − μ₁)/e − (1 − t)·(y − μ₀)/(1 − e); its mean over any group chosen without looking at the outcomes is the group's effect.
    Source: Robins, Rotnitzky and Zhao, JASA 1994.
    """
    e = rows.propensity
    effect: Floats = treated - control
    return effect + np.where(rows.treated, (rows.outcome - treated) / e, -(rows.outcome - control) / (1 - e))


def add_first_estimates(rows: TrainingRows, outcomes: FittedOutcomes) -> Floats:
    """Return the features of the training rows with the cross-fitted outcome without treatment and the effect as the last two.

    Effects often grow with the outcome, so this one column can replace many weak ones.
    """
    return np.column_stack([rows.matrix, outcomes.control, outcomes.treated - outcomes.control])
