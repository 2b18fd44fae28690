"""Trains a model of the probability of a binary outcome, or returns the reason why that is not possible."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats
from config.foundation.processes.thread_limits import limit_numeric_threads
from customers.lifecycle.scoring.propensity.drift import DriftReference, measure_reference, population_stability_index
from customers.lifecycle.scoring.propensity.explanations import ScoreReasons, explain_scores
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.levels import LevelPeriod, select_level
from customers.lifecycle.scoring.propensity.metrics import evaluate_scores
from customers.lifecycle.scoring.propensity.model_selection import (
    BASELINES,
    PURCHASE_MODEL,
    CandidateResult,
    SelectionOutcome,
    evaluate_candidates,
    fit_candidate,
)
from customers.lifecycle.scoring.propensity.models.array_models import (
    ArrayModel,
    Arrays,
    build_model,
    find_model_type,
    predict_probability,
)
from customers.lifecycle.scoring.propensity.models.calibration import UNCALIBRATED, Calibration
from customers.lifecycle.scoring.propensity.models.candidates import fit_probability_column, fit_tree
from customers.lifecycle.scoring.propensity.models.tree_rules import extract_rules

MIN_CUSTOMERS = 50  # customers of each outcome

# best_candidate: the best model of the comparison. baseline_not_beaten: none was better than the baseline. purchase_model_later: the
# purchase model, because it was better than the best model of the comparison at the latest moments.
TRAINED_REASONS = ("best_candidate", "baseline_not_beaten", "purchase_model_later")
# Why a model is what it is; all but TRAINED_REASONS mean that no model was trained.
REASONS = (
    *TRAINED_REASONS,
    "history_too_short",
    "few_customers",
    "few_positives",
    "few_negatives",
)
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class PropensityModel:
    """The probability of an outcome.

    winner: one of `model_selection.CANDIDATES`, or None without a model; reason: one of REASONS.
    names: the k columns of the matrices that it scores. results: metrics of all candidates on the evaluation sample. rate: share of
    positives among the training rows; customers, positives, negatives: number of distinct customers (one may be both at different
    cutoffs). features, scores: distributions of the columns and the scores, for `drift`.
    details: plain values on the evaluation: `level` (see `levels.summarize_level`), `quality` of what serves, at the latest period of
    the level if there is one (see `PropensityMetrics`), `rules` of a decision tree of all rows, most probable first (see `TreeRule`).
    """

    names: tuple[str, ...]
    reason: str
    winner: str | None
    model: ArrayModel | None
    calibration: Calibration
    results: tuple[CandidateResult, ...]
    rate: float
    customers: int
    positives: int
    negatives: int
    features: DriftReference | None
    scores: DriftReference | None
    details: Mapping[str, Any] = field(default_factory=dict)

    def score(self, matrix: Matrix) -> Floats:
        """Return calibrated probabilities, (n,), for a matrix (n, k) of the columns `names`, finite.

        Errors: ValueError without a model (see `reason`), or for other columns or a number that isn't finite.
        """
        return self.calibration.apply(predict_probability(self._require_model(matrix), matrix))

    def explain(self, matrix: Matrix, *, by_family: bool = True, max_reasons: int = 3) -> ScoreReasons:
        """Return what contributes most to each score (see `explanations`).

        Errors: ValueError as for `score`.
        """
        return explain_scores(
            model=self._require_model(matrix),
            names=self.names,
            matrix=matrix,
            by_family=by_family,
            max_reasons=max_reasons,
        )

    def measure_drift(self, matrix: Matrix) -> tuple[Floats, float]:
        """Return the population stability index of each column, (k,), and of the scores.

        Errors: ValueError as for `score`.
        """
        score = self.score(matrix)
        if self.features is None or self.scores is None:
            raise ValueError("this model has no reference distribution to compare with")
        index = population_stability_index(reference=self.features, matrix=matrix)
        return index, float(population_stability_index(reference=self.scores, matrix=score[:, None])[0])

    def _require_model(self, matrix: Matrix) -> ArrayModel:
        """Return the model. Errors: ValueError without a model or for an invalid matrix."""
        if self.model is None:
            raise ValueError(f"No propensity model to score with: {self.reason}")
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            raise ValueError(f"matrix must have shape (n, {len(self.names)}), got {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise ValueError("matrix contains a number that is not finite")
        return self.model

    def serialize(self) -> tuple[Arrays, dict[str, Any]]:
        """Return the arrays, for np.savez, and plain values for JSON."""
        arrays: Arrays = {f"calibration.{name}": array for name, array in self.calibration.to_arrays().items()}
        if self.model is not None:
            arrays |= {f"model.{name}": array for name, array in self.model.to_arrays().items()}
        for name, reference in (("features", self.features), ("scores", self.scores)):
            if reference is not None:
                arrays |= {f"{name}.edges": reference.edges, f"{name}.share": reference.share}
        metadata = {
            "version": FORMAT_VERSION,
            "names": list(self.names),
            "reason": self.reason,
            "winner": self.winner,
            "model_type": None if self.model is None else find_model_type(self.model),
            "calibration": self.calibration.kind,
            "results": [vars(result) for result in self.results],
            "rate": self.rate,
            "customers": self.customers,
            "positives": self.positives,
            "negatives": self.negatives,
            "details": dict(self.details),
        }
        return arrays, metadata

    @classmethod
    def deserialize(cls, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, Any]) -> "PropensityModel":
        """Rebuild a model. Errors: ValueError for another format version."""
        if metadata.get("version") != FORMAT_VERSION:
            raise ValueError(f"version must be {FORMAT_VERSION}, got {metadata.get('version')!r}")

        def select_arrays(prefix: str) -> Arrays:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        references = {name: select_arrays(f"{name}.") for name in ("features", "scores")}
        return cls(
            names=tuple(metadata["names"]),
            reason=metadata["reason"],
            winner=metadata["winner"],
            model=None
            if metadata["model_type"] is None
            else build_model(metadata["model_type"], select_arrays("model.")),
            calibration=Calibration(metadata["calibration"], **select_arrays("calibration.")),
            results=tuple(_deserialize_result(result) for result in metadata["results"]),
            rate=metadata["rate"],
            customers=metadata["customers"],
            positives=metadata["positives"],
            negatives=metadata["negatives"],
            features=DriftReference(**references["features"]) if references["features"] else None,
            scores=DriftReference(**references["scores"]) if references["scores"] else None,
            details=metadata["details"],
        )


def train_propensity(
    *,
    all_rows: TrainingSample | None,
    train: TrainingSample | None = None,
    validation: TrainingSample | None = None,
    periods: Sequence[LevelPeriod] = (),
    season: TrainingSample | None = None,
    purchase_model_column: str | None = None,
    seed: int = 1,
) -> PropensityModel:
    """Train the best of the candidates (see `model_selection`) and select the level at which it serves (see `levels`).

    It is fitted on all rows.
    all_rows: those whose labels are known by now. train, validation: the part to fit candidates on and a later one to evaluate them
    on; without them, or where they are too small, folds of the customers of `all_rows` are used instead. periods: past moments at which
    the level is compared, latest first; season: the customers of a year ago.
    purchase_model_column: name of the column with the purchase model's probability of this label, if there is one. The rows may be anything
    with a label: customers at cutoffs, or message recipients.

    With fewer than 50 positive or negative customers the purchase model's probability is the fallback, if it is known, and `reason` says
    why.
    Errors: ValueError for an unknown `purchase_model_column`.
    """
    if all_rows is not None and purchase_model_column is not None and purchase_model_column not in all_rows.names:
        raise ValueError(f"purchase_model_column must be one of the columns, got {purchase_model_column!r}")
    if all_rows is None or not len(all_rows):
        return _build_untrained(
            all_rows, "history_too_short" if all_rows is None else "few_customers", purchase_model_column
        )
    reason = find_shortage(all_rows)
    if reason:
        return _build_untrained(all_rows, reason, purchase_model_column)
    if any(part is not None and find_shortage(part) for part in (train, validation)):
        train = validation = None
    with limit_numeric_threads():
        outcome = evaluate_candidates(
            train=train,
            all_rows=all_rows,
            validation=validation,
            purchase_model_column=purchase_model_column,
            seed=seed,
        )
        fit = partial(_fit, outcome=outcome, purchase_model_column=purchase_model_column, seed=seed)
        selection = select_level(
            candidates=list_level_candidates(outcome.winner, purchase_model_column),
            fit=fit,
            all_rows=all_rows,
            periods=periods if outcome.is_time_split else (),
            season=season,
        )
        model = fit(selection.candidate, all_rows)
    # without earlier moments, the winner is used without adjustment
    score, label = selection.scores or (outcome.probabilities[outcome.winner], outcome.evaluation_sample.label)
    return _build_model(
        all_rows,
        reason=explain_choice(served=selection.candidate, winner=outcome.winner),
        winner=selection.candidate,
        model=model,
        calibration=selection.calibration,
        results=outcome.results,
        newest=all_rows.select(all_rows.cutoff == all_rows.cutoff.max()),
        details={
            "hyperparameters": vars(outcome.hyperparameters),
            "evaluated_by": "time" if outcome.is_time_split else "customers",
            "compared_winner": outcome.winner,
            "purchase_model_share": outcome.purchase_model_share,
            "evaluation_rows": len(label),
            "evaluation_rate": float(label.mean()),
            "level": selection.summary,
            "quality": evaluate_scores(score=score, label=label).to_dict(),
            "rules": [asdict(rule) for rule in extract_rules(tree=fit_tree(all_rows, seed=seed), names=all_rows.names)],
        },
    )


def explain_choice(*, served: str, winner: str) -> str:
    """Return why a candidate is used, one of TRAINED_REASONS. winner: of the comparison."""
    if served != winner:
        return "purchase_model_later"
    return "baseline_not_beaten" if served in BASELINES else "best_candidate"


def list_level_candidates(winner: str, purchase_model_column: str | None) -> list[str]:
    """Return the candidates that may serve: the winner, and the purchase model, whose level is not that of the training rows."""
    return [winner] if purchase_model_column is None or winner == PURCHASE_MODEL else [winner, PURCHASE_MODEL]


def _fit(
    name: str, rows: TrainingSample, *, outcome: SelectionOutcome, purchase_model_column: str | None, seed: int
) -> ArrayModel:
    """Fit the named candidate; positional, as `levels.select_level` calls it."""
    return fit_candidate(name, outcome=outcome, rows=rows, purchase_model_column=purchase_model_column, seed=seed)


def find_shortage(sample: TrainingSample) -> str | None:
    """Return the reason if too few customers are positive or negative."""
    for reason, has_outcome in (("few_positives", sample.label), ("few_negatives", ~sample.label)):
        if len(np.unique(sample.customer[has_outcome])) < MIN_CUSTOMERS:
            return reason
    return None


def _build_untrained(sample: TrainingSample | None, reason: str, purchase_model_column: str | None) -> PropensityModel:
    """Build the result without training.

    It is the purchase model's probability if it is known, else no model.
    """
    if sample is None or not len(sample):
        return PropensityModel((), reason, None, None, UNCALIBRATED, (), 0.0, 0, 0, 0, None, None)
    model = None if purchase_model_column is None else fit_probability_column(sample, column=purchase_model_column)
    return _build_model(
        sample, reason=reason, winner=None if model is None else "purchase_model", model=model, calibration=UNCALIBRATED,
        results=(), newest=sample.select(sample.cutoff == sample.cutoff.max()), details={},
    )  # fmt: skip


def _build_model(
    sample: TrainingSample,
    *,
    reason: str,
    winner: str | None,
    model: ArrayModel | None,
    calibration: Calibration,
    results: tuple[CandidateResult, ...],
    newest: TrainingSample,
    details: Mapping[str, Any],
) -> PropensityModel:
    """Build the result with the distributions of the newest rows."""
    score = None if model is None else calibration.apply(predict_probability(model, newest.matrix))
    return PropensityModel(
        names=sample.names,
        reason=reason,
        winner=winner,
        model=model,
        calibration=calibration,
        results=results,
        rate=float(sample.label.mean()),
        customers=len(np.unique(sample.customer)),
        positives=len(np.unique(sample.customer[sample.label])),
        negatives=len(np.unique(sample.customer[~sample.label])),
        features=measure_reference(newest.matrix),
        scores=None if score is None else measure_reference(score[:, None]),
        details=details,
    )


def _deserialize_result(saved: Mapping[str, Any]) -> CandidateResult:
    """Rebuild a candidate's metrics."""
    gains = {name: None if saved[name] is None else tuple(saved[name]) for name in ("brier_gain", "auc_gain")}
    return CandidateResult(saved["name"], saved["brier"], saved["auc"], saved["mean_predicted"], **gains)
