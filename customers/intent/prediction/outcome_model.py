"""Models of yes-or-no outcomes of a session: trained, then calibrated and evaluated on later sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from config.foundation.array_types import AnyInts, Flags, Floats, Ints
from customers.intent.prediction.features import FEATURES, Matrix
from customers.intent.prediction.session_events import EventKind
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.metrics import auc, brier_score, calibration_curve
from customers.lifecycle.scoring.propensity.models.array_models import (
    ArrayModel,
    build_model,
    find_model_type,
    predict_probability,
)
from customers.lifecycle.scoring.propensity.models.calibration import UNCALIBRATED, Calibration, select_calibration
from customers.lifecycle.scoring.propensity.models.candidates import (
    Hyperparameters,
    convert_boosting_trees,
    fit_logistic,
    log_loss,
    train_boosting,
)

RATE, LOGISTIC, ADDITIVE, BOOSTING = "rate", "logistic", "additive", "boosting"
FEW_OUTCOMES, NOT_BETTER = "few_outcomes", "not_better"
MIN_OUTCOMES = 50  # of each outcome in the training period, and half of it in the periods after it
MAX_ROWS = 100_000  # of a training period, drawn by the seed
LEAVES, MAX_TREES = 12, 200
EXPLAINED_ROWS = 5_000
STRONGEST = 6
PRIOR_ROWS = 20.0  # pseudo-rows at the overall rate, added to each event type so that rare types are shrunk towards it
SEED = 20_261_128


@dataclass(frozen=True, eq=False)
class OutcomeSample:
    """Cuts of sessions with their outcome; q rows.

    Attributes:
        matrix: (q, k), columns as in `FEATURES`. label, session, kind (of the last event): (q,).
        period: (q,), which fifth of the sessions a cut belongs to, by the start of its session; from 0.
    """

    matrix: Matrix
    label: Flags
    session: Ints
    kind: AnyInts
    period: Ints

    def select_periods(self, *periods: int) -> "OutcomeSample":
        """Return the rows of some periods."""
        rows = np.isin(self.period, periods)
        return OutcomeSample(
            self.matrix[rows], self.label[rows], self.session[rows], self.kind[rows], self.period[rows]
        )

    def count_rarer(self) -> int:
        """Return how many sessions have the rarer outcome."""
        return min(len(np.unique(self.session[self.label])), len(np.unique(self.session[~self.label])))


@dataclass(frozen=True, eq=False)
class SessionOutcomeModel:
    """Predicts the probability of an outcome.

    Attributes:
        algorithm: rate, logistic, additive or boosting. rate: the share of positive cuts, which is all that is predicted without a model.
        reason: why there is no model; empty with one.
    """

    algorithm: str
    rate: float
    model: ArrayModel | None = None
    calibration: Calibration = UNCALIBRATED
    reason: str = ""

    def predict(self, matrix: Matrix) -> Floats:
        """Return the probability at each row, (n,)."""
        if self.model is None:
            return np.full(len(matrix), self.rate)
        return self.calibration.apply(predict_probability(self.model, matrix))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything that has to be stored."""
        arrays = {"rate": np.array(self.rate), "algorithm": np.array(self.algorithm), "reason": np.array(self.reason)}
        if self.model is None:
            return arrays
        arrays |= {"type": np.array(find_model_type(self.model)), "calibration": np.array(self.calibration.kind)}
        arrays |= {f"calibration.{name}": array for name, array in self.calibration.to_arrays().items()}
        return arrays | {f"model.{name}": array for name, array in self.model.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "SessionOutcomeModel":
        """Rebuild a model. Errors: KeyError for missing arrays, ValueError for an unknown type."""
        rate, algorithm, reason = float(arrays["rate"]), str(arrays["algorithm"]), str(arrays["reason"])
        if "type" not in arrays:
            return cls(algorithm, rate, reason=reason)
        parts = {name.removeprefix("model."): array for name, array in arrays.items() if name.startswith("model.")}
        kind: Any = str(arrays["calibration"])
        calibration = Calibration(kind, arrays["calibration.x"], arrays["calibration.y"])
        return cls(algorithm, rate, build_model(str(arrays["type"]), parts), calibration, reason)


@dataclass(frozen=True)
class FeatureEffect:
    """How much a feature moves the predictions. strength: mean absolute change in log-odds; raises: whether more of it raises them."""

    feature: str
    strength: float
    raises: bool


@dataclass(frozen=True, eq=False)
class TrainedOutcome:
    """A model fitted to the latest sessions, and how well the same training performed on sessions later than those it was trained on.

    Attributes:
        quality: see `measure_outcome`. effects: the strongest first.
    """

    model: SessionOutcomeModel
    quality: Mapping[str, Any]
    effects: tuple[FeatureEffect, ...] = ()


def train_outcome(sample: OutcomeSample) -> TrainedOutcome:
    """Choose and calibrate a model on the fourth fifth of the sessions, evaluate it on the last one, and fit it to the latest sessions.

    The candidates are trained on the first three fifths; the one with the smallest log loss on the fourth is calibrated there. The model
    in use is trained on the second to fourth fifths and calibrated on the last. If there is too little data, or if the model does not beat
    both baselines on the fourth fifth, only the rate is predicted, with the reason.
    """
    training, validation, test = (sample.select_periods(*periods) for periods in ((0, 1, 2), (3,), (4,)))
    rate = compute_rate(sample.label)
    is_enough = (
        training.count_rarer() >= MIN_OUTCOMES and min(validation.count_rarer(), test.count_rarer()) >= MIN_OUTCOMES / 2
    )
    if not is_enough:
        return TrainedOutcome(SessionOutcomeModel(RATE, rate, reason=FEW_OUTCOMES), {})
    baselines = fit_baselines(training)
    chosen = choose_candidate(training, validation)
    judged = fit_candidate(chosen, training, validation)
    reference = min(brier_score(score=scores, label=validation.label) for scores in baselines.predict(validation.kind))
    is_better = brier_score(score=judged.predict(validation.matrix), label=validation.label) < reference
    later = fit_baselines(sample.select_periods(0, 1, 2, 3))
    quality = measure_outcome(judged, later, test)
    if not is_better:
        return TrainedOutcome(SessionOutcomeModel(RATE, rate, reason=NOT_BETTER), quality)
    served = fit_candidate(chosen, sample.select_periods(1, 2, 3), test)
    return TrainedOutcome(
        SessionOutcomeModel(served.algorithm, rate, served.model, served.calibration),
        quality,
        explain_model(served, test),
    )


@dataclass(frozen=True, eq=False)
class Baselines:
    """What a model must beat: the rate, and the rate by the type of the last event, (kinds,)."""

    rate: float
    rate_by_kind: Floats

    def predict(self, kind: AnyInts) -> tuple[Floats, Floats]:
        """Return the predictions of both, (n,)."""
        return np.full(len(kind), self.rate), self.rate_by_kind[kind]


def compute_rate(label: Flags) -> float:
    return (float(label.sum()) + 0.5) / (len(label) + 1.0)


def fit_baselines(sample: OutcomeSample) -> Baselines:
    """Fit the baselines."""
    rate, kinds = compute_rate(sample.label), len(EventKind)
    positives = np.bincount(sample.kind, sample.label, kinds)
    total = np.bincount(sample.kind, minlength=kinds)
    return Baselines(rate, (positives + PRIOR_ROWS * rate) / (total + PRIOR_ROWS))


def to_training_sample(sample: OutcomeSample) -> TrainingSample:
    """Return at most `MAX_ROWS` rows, drawn by the seed, in the form that candidates are fitted to."""
    rows = np.arange(len(sample.label))
    if len(rows) > MAX_ROWS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MAX_ROWS, replace=False))
    return TrainingSample(
        FEATURES, sample.matrix[rows], sample.label[rows], sample.session[rows], np.zeros(len(rows), np.int64)
    )


def choose_candidate(training: OutcomeSample, validation: OutcomeSample) -> tuple[str, int]:
    """Return the algorithm with the smallest log loss on the validation period, and the number of trees."""
    fitted = to_training_sample(training)
    losses: list[tuple[float, str, int]] = []
    for algorithm in (LOGISTIC, ADDITIVE):
        model = fit_logistic(fitted, hyperparameters=Hyperparameters(hinges=algorithm == ADDITIVE))
        losses.append((log_loss(predict_probability(model, validation.matrix), validation.label), algorithm, 0))
    boosted = train_boosting(fitted, leaves=LEAVES, trees=MAX_TREES, seed=SEED)
    for trees, raw in enumerate(boosted._staged_raw_predict(validation.matrix), 1):
        losses.append((log_loss(expit(raw[:, 0]), validation.label), BOOSTING, trees))
    _loss, algorithm, trees = min(losses)
    return algorithm, trees


def fit_candidate(chosen: tuple[str, int], training: OutcomeSample, later: OutcomeSample) -> SessionOutcomeModel:
    """Fit a candidate and calibrate it on later sessions."""
    algorithm, trees = chosen
    fitted = to_training_sample(training)
    model: ArrayModel
    if algorithm == BOOSTING:
        model = convert_boosting_trees(train_boosting(fitted, leaves=LEAVES, trees=trees, seed=SEED))
    else:
        model = fit_logistic(fitted, hyperparameters=Hyperparameters(hinges=algorithm == ADDITIVE))
    calibration = select_calibration(
        probability=predict_probability(model, later.matrix),
        label=later.label,
        group=later.session,
        cutoff=np.zeros(len(later.label), np.int64),
        seed=SEED,
    )
    return SessionOutcomeModel(algorithm, compute_rate(training.label), model, calibration)


def measure_outcome(model: SessionOutcomeModel, baselines: Baselines, test: OutcomeSample) -> dict[str, Any]:
    """Return the figures of a model and of the baselines on sessions that none of them has seen, for JSON.

    auc, brier and the calibration curve are those of the model; rate_… are those of the rate, last_… those of the rate by the type of the last event.
    """
    scores = model.predict(test.matrix)
    rate_scores, last_scores = baselines.predict(test.kind)
    curve = calibration_curve(score=scores, label=test.label)
    return {
        "algorithm": model.algorithm,
        "cuts": len(test.label),
        "sessions": len(np.unique(test.session)),
        "rate": float(test.label.mean()),
        "mean_predicted": float(scores.mean()),
        "accuracy": float(np.mean((scores >= 0.5) == test.label)),
        "auc": auc(score=scores, label=test.label),
        "brier": brier_score(score=scores, label=test.label),
        "rate_accuracy": float(np.mean((rate_scores >= 0.5) == test.label)),
        "rate_brier": brier_score(score=rate_scores, label=test.label),
        "last_accuracy": float(np.mean((last_scores >= 0.5) == test.label)),
        "last_auc": auc(score=last_scores, label=test.label),
        "last_brier": brier_score(score=last_scores, label=test.label),
        "curve": {name: values.tolist() for name, values in vars(curve).items()},
    }


def explain_model(model: SessionOutcomeModel, sample: OutcomeSample) -> tuple[FeatureEffect, ...]:
    """Return the features that move the predictions most, and whether a higher value of the feature raises them."""
    assert model.model is not None
    rows = np.linspace(0, len(sample.label) - 1, min(EXPLAINED_ROWS, len(sample.label))).astype(np.int64)
    matrix = sample.matrix[rows]
    contributions = model.model.compute_contributions(matrix)
    strength = np.abs(contributions).mean(axis=0)
    deviation = matrix - matrix.mean(axis=0)
    direction = (deviation * (contributions - contributions.mean(axis=0))).sum(axis=0)
    strongest = [int(column) for column in np.argsort(-strength, kind="stable")[:STRONGEST] if strength[column] > 0]
    return tuple(
        FeatureEffect(FEATURES[column], float(strength[column]), bool(direction[column] > 0)) for column in strongest
    )


def assign_periods(started_at: Ints, periods: int = 5) -> Ints:
    """Split the sessions by their start into equally large parts, and return the part of each session, from 0; (n,).

    Sessions that start at the same moment are in the same part, so that all sessions of a part start after those of the part before.
    """
    if not len(started_at):
        return np.zeros(0, np.int64)
    bounds = np.quantile(started_at, np.arange(1, periods) / periods, method="inverted_cdf")
    return np.searchsorted(bounds, started_at, side="left")


def list_effects(effects: Sequence[FeatureEffect]) -> list[dict[str, Any]]:
    """Return the effects for JSON."""
    return [{"feature": effect.feature, "strength": effect.strength, "raises": effect.raises} for effect in effects]
