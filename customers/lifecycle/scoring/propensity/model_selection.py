"""Compares the candidates on customers or moments they have not seen.

The simplest one wins unless it is beaten.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.metrics import auc, brier_score
from customers.lifecycle.scoring.propensity.models import candidates as fits
from customers.lifecycle.scoring.propensity.models.array_models import (
    ArrayModel,
    LogOddsEnsemble,
    predict_probability,
    to_log_odds,
)
from customers.lifecycle.scoring.propensity.models.calibration import (
    FOLDS,
    Calibration,
    assign_folds,
    select_calibration,
)
from customers.lifecycle.scoring.propensity.models.candidates import Hyperparameters, tune_hyperparameters

# Simplest first. `rate` is a constant, where no recency is known; `purchase_model` is the purchase model's probability.
CANDIDATES = ("rate", "recency", "purchase_model", "tree", "logistic", "boosting", "forest", "ensemble")
PURCHASE_MODEL = "purchase_model"
BASELINES = ("rate", "recency", PURCHASE_MODEL)
ENSEMBLE_MEMBERS = ("logistic", "boosting")
PURCHASE_MODEL_SHARES = (0.0, 0.2, 0.4)  # of the purchase model in the ensemble
BOOTSTRAP_DRAWS = 400
CONFIDENCE_LEVEL = 0.95
BOOTSTRAP_ROWS = 30_000

type Fitter = Callable[[TrainingSample], ArrayModel]


@dataclass(frozen=True)
class CandidateResult:
    """A candidate's metrics on the evaluation sample.

    brier: of its probabilities calibrated on other customers of that sample; mean_predicted: their mean before that, whose difference from
    the positive rate shows how far the level has drifted. brier_gain, auc_gain: improvement over the better baseline, with the low and
    high end of 95 % of paired resamples of customers; None for the baselines.
    """

    name: str
    brier: float
    auc: float
    mean_predicted: float
    brier_gain: tuple[float, float, float] | None = None
    auc_gain: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class SelectionOutcome:
    """The result of the comparison.

    winner; results of all; probabilities of each candidate on the `evaluation_sample`, uncalibrated and `calibrated` on other customers;
    hyperparameters and the purchase model's share in the ensemble for fitting on all data.
    """

    winner: str
    results: tuple[CandidateResult, ...]
    probabilities: Mapping[str, Floats]
    calibrated: Mapping[str, Floats]
    evaluation_sample: TrainingSample
    is_time_split: bool
    hyperparameters: Hyperparameters
    purchase_model_share: float


def evaluate_candidates(
    *,
    train: TrainingSample | None,
    all_rows: TrainingSample,
    validation: TrainingSample | None,
    purchase_model_column: str | None,
    seed: int,
) -> SelectionOutcome:
    """Fit each candidate on `train` and evaluate it on `validation`.

    Without train, fit and evaluate on folds of the customers of `all_rows`.
    The compared probabilities are calibrated on other customers of the same part: a level that shifts from one moment to the next
    shifts for all candidates, in an unknown direction, so no candidate should win because it happened to be off in that direction.

    Where history is too short for an evaluation at a later moment, a model trained on past customers is not proven to hold for the
    future: then only an ensemble with the largest of PURCHASE_MODEL_SHARES may beat the baselines, if there is such a column.
    """
    if train is not None and validation is not None:
        hyperparameters = tune_hyperparameters(train, purchase_model_column=purchase_model_column, seed=seed)
        sample, probabilities = (
            validation,
            _predict_validation(
                build_fitters(all_rows, hyperparameters, purchase_model_column, seed), train, validation
            ),
        )
        hyperparameters = tune_hyperparameters(all_rows, purchase_model_column=purchase_model_column, seed=seed)
    else:
        hyperparameters = tune_hyperparameters(all_rows, purchase_model_column=purchase_model_column, seed=seed)
        sample, probabilities = (
            all_rows,
            _predict_by_fold(build_fitters(all_rows, hyperparameters, purchase_model_column, seed), all_rows, seed),
        )
    is_time_split = sample is not all_rows
    is_cautious = purchase_model_column is not None and not is_time_split
    shares = (
        PURCHASE_MODEL_SHARES[:1]
        if purchase_model_column is None
        else PURCHASE_MODEL_SHARES[-1:]
        if is_cautious
        else PURCHASE_MODEL_SHARES
    )
    share = min(
        shares,
        key=lambda candidate_share: brier_score(
            score=_average_log_odds(probabilities, candidate_share), label=sample.label
        ),
    )
    probabilities["ensemble"] = _average_log_odds(probabilities, share)
    calibrated = {name: _cross_calibrate(probability, sample, seed) for name, probability in probabilities.items()}
    allowed = ("ensemble",) if is_cautious else CANDIDATES
    winner, results = select_winner(calibrated, probabilities, sample, seed, allowed=allowed)
    return SelectionOutcome(winner, results, probabilities, calibrated, sample, is_time_split, hyperparameters, share)


def build_fitters(
    sample: TrainingSample, hyperparameters: Hyperparameters, purchase_model_column: str | None, seed: int
) -> dict[str, Fitter]:
    """Return the fit function of each candidate except the ensemble, by name.

    All samples have the same columns.
    """
    has_recency = fits.RECENCY in sample.names
    fitters: dict[str, Fitter] = {"recency": fits.fit_recency} if has_recency else {"rate": fits.fit_rate}
    if purchase_model_column is not None:
        fitters["purchase_model"] = lambda sample: fits.fit_probability_column(sample, column=purchase_model_column)
    return fitters | {
        "tree": lambda sample: fits.fit_tree(sample, seed=seed),
        "logistic": lambda sample: fits.fit_logistic(
            sample, hyperparameters=hyperparameters, purchase_model_column=purchase_model_column
        ),
        "boosting": lambda sample: fits.fit_boosting(sample, hyperparameters=hyperparameters, seed=seed),
        "forest": lambda sample: fits.fit_forest(sample, seed=seed),
    }


def fit_candidate(
    name: str,
    *,
    outcome: SelectionOutcome,
    rows: TrainingSample,
    purchase_model_column: str | None,
    seed: int,
) -> ArrayModel:
    """Fit the named candidate on some rows."""
    fitters = build_fitters(rows, outcome.hyperparameters, purchase_model_column, seed)
    if name != "ensemble":
        return fitters[name](rows)
    share = outcome.purchase_model_share
    weights = [(1 - share) / len(ENSEMBLE_MEMBERS)] * len(ENSEMBLE_MEMBERS) + ([share] if share else [])
    members = (*ENSEMBLE_MEMBERS, "purchase_model") if share else ENSEMBLE_MEMBERS
    return LogOddsEnsemble(tuple(fitters[member](rows) for member in members), np.array(weights), base=0.0)


def select_winner(
    calibrated: Mapping[str, Floats],
    probabilities: Mapping[str, Floats],
    rows: TrainingSample,
    seed: int,
    *,
    allowed: Sequence[str],
) -> tuple[str, tuple[CandidateResult, ...]]:
    """Select the `allowed` non-baseline candidate with the lowest Brier score.

    The score is of the calibrated probabilities.
    The better baseline wins unless it is significantly beaten: 97.5 % of the paired resamples of customers find the candidate better
    by Brier, or by AUC while it isn't worse by Brier. Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """

    def compute_figures(name: str) -> tuple[str, float, float, float]:
        area_under_curve = auc(score=probabilities[name], label=rows.label)
        return (
            name,
            brier_score(score=calibrated[name], label=rows.label),
            area_under_curve,
            float(probabilities[name].mean()),
        )

    challengers = [name for name in CANDIDATES if name in probabilities and name not in BASELINES]
    baselines = [CandidateResult(*compute_figures(name)) for name in BASELINES if name in probabilities]
    baseline = min(baselines, key=lambda result: result.brier).name
    names = (baseline, *challengers)
    gains = bootstrap_gains([calibrated[name] for name in names], [probabilities[name] for name in names], rows, seed)
    results = [CandidateResult(*compute_figures(name), *gain) for name, gain in zip(challengers, gains, strict=True)]
    best = min((result for result in results if result.name in allowed), key=lambda result: result.brier)
    return (best.name if _is_significantly_better(best) else baseline), (*baselines, *results)


def _is_significantly_better(result: CandidateResult) -> bool:
    """Return whether a candidate beats the baseline beyond random variation."""
    if result.brier_gain is None or result.auc_gain is None:
        return False
    return result.brier_gain[1] > 0 or (result.auc_gain[1] > 0 and result.brier_gain[0] > 0)


def bootstrap_gains(
    calibrated: list[Floats], probabilities: list[Floats], rows: TrainingSample, seed: int
) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Return for each candidate but the first its gains over the first in Brier and AUC.

    Brier scores are of `calibrated`, AUCs of `probabilities`.
    Each gain comes with the range of 95 % of the resamples of customers.
    """
    draws = np.random.default_rng(seed)
    # Customers are resampled, not rows: the rows of a customer at several cutoffs depend on each other.
    ids, index = np.unique(rows.customer, return_inverse=True)
    if len(rows) > BOOTSTRAP_ROWS:
        sampled = draws.choice(len(rows), BOOTSTRAP_ROWS, replace=False)
        ids, index = np.unique(rows.customer[sampled], return_inverse=True)
    else:
        sampled = np.arange(len(rows))
    label = rows.label[sampled]
    errors = np.array([(candidate[sampled] - label) ** 2 for candidate in calibrated])
    # A resample is a weight per customer, so the scores are sorted once and not in each draw.
    sorted_rows = [_sort_by_score(candidate[sampled]) for candidate in probabilities]
    resampled = np.empty((BOOTSTRAP_DRAWS, 2, len(probabilities)))
    for draw in range(BOOTSTRAP_DRAWS):
        weight = np.bincount(draws.integers(0, len(ids), len(ids)), minlength=len(ids))[index].astype(np.float64)
        resampled[draw, 0] = errors @ weight / weight.sum()
        resampled[draw, 1] = [_compute_weighted_auc(order, tie, label, weight) for order, tie in sorted_rows]
    unit_weight = np.ones(len(label))
    observed = np.array(
        [
            errors @ unit_weight / len(unit_weight),
            [_compute_weighted_auc(order, tie, label, unit_weight) for order, tie in sorted_rows],
        ]
    )
    sign = np.array([-1.0, 1.0])[:, None]
    gain = sign * (observed[:, 1:] - observed[:, :1])
    low, high = np.quantile(
        sign * (resampled[:, :, 1:] - resampled[:, :, :1]),
        [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2],
        axis=0,
    )
    gains = []
    for candidate in range(gain.shape[1]):
        pair = [(float(gain[m, candidate]), float(low[m, candidate]), float(high[m, candidate])) for m in range(2)]
        gains.append((pair[0], pair[1]))
    return gains


def _sort_by_score(score: Floats) -> tuple[Ints, Ints]:
    """Return the rows in order of score, and where each group of equal scores starts."""
    order = np.argsort(score, kind="stable")
    return order, np.flatnonzero(np.concatenate(([True], np.diff(score[order]) != 0)))


def _compute_weighted_auc(order: Ints, starts: Ints, label: Flags, weight: Floats) -> float:
    """Return the AUC; half where a resample has no positives or no negatives."""
    positive = np.add.reduceat((weight * label)[order], starts)
    negative = np.add.reduceat((weight * ~label)[order], starts)
    total = positive.sum() * negative.sum()
    return float((positive * (np.cumsum(negative) - negative / 2)).sum() / total) if total > 0 else 0.5


def _predict_validation(
    models: Mapping[str, Fitter], train: TrainingSample, validation: TrainingSample
) -> dict[str, Floats]:
    """Fit each candidate and predict the validation rows."""
    return {name: predict_probability(fit(train), validation.matrix) for name, fit in models.items()}


def _predict_by_fold(models: Mapping[str, Fitter], sample: TrainingSample, seed: int) -> dict[str, Floats]:
    """Predict each fold with candidates fitted on the others."""
    fold = assign_folds(sample.customer, FOLDS, seed)
    probabilities = {name: np.empty(len(sample)) for name in models}
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        for name, predicted in _predict_validation(models, sample.select(outside), sample.select(inside)).items():
            probabilities[name][inside] = predicted
    return probabilities


def _average_log_odds(probabilities: Mapping[str, Floats], share: float) -> Floats:
    """Return the ensemble's probabilities.

    They are the members' mean log-odds, with `share` of the purchase model.
    """
    odds = (1 - share) * np.mean([to_log_odds(probabilities[name]) for name in ENSEMBLE_MEMBERS], axis=0)
    averaged: Floats = expit(odds + share * to_log_odds(probabilities["purchase_model"]) if share else odds)
    return averaged


def _fit_calibration(rows: TrainingSample, probability: Floats, seed: int) -> Calibration:
    """Select and fit a calibration on some rows."""
    return select_calibration(
        probability=probability, label=rows.label, group=rows.customer, cutoff=rows.cutoff, seed=seed
    )


def _cross_calibrate(probability: Floats, rows: TrainingSample, seed: int) -> Floats:
    """Calibrate the probabilities of each fold on other customers."""
    fold = assign_folds(rows.customer, FOLDS, seed + 1)
    calibrated = np.empty(len(probability))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        calibrated[inside] = _fit_calibration(rows.select(outside), probability[outside], seed).apply(
            probability[inside]
        )
    return calibrated
