"""Selects how the level of a model's probabilities is adjusted, and measures how predicted and actual rates differed at earlier moments.

A shop's level changes with the season, with sales and with its mix of customers, and a correction learned from the past can be worse than
none. So a correction is used only if it was better than none at moments later than those it was fitted on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.metrics import brier_score, find_level_shift
from customers.lifecycle.scoring.propensity.models.array_models import ArrayModel, predict_probability
from customers.lifecycle.scoring.propensity.models.calibration import (
    MIN_ISOTONIC_ROWS,
    UNCALIBRATED,
    Calibration,
    CalibrationType,
    fit_calibration,
    make_shift,
)

type Adjustment = Literal["none", "shift", "platt", "isotonic", "season"]

# none: the model's probabilities. shift, platt, isotonic: a recalibration fitted on earlier predictions. season: the shift that the
# model would have needed at the same moment a year before.
ADJUSTMENTS: tuple[Adjustment, ...] = ("none", "shift", "platt", "isotonic", "season")
RECALIBRATIONS: tuple[CalibrationType, ...] = ("shift", "platt", "isotonic")
DECIDING_PERIODS = 2
CONFIDENCE_Z = NormalDist().inv_cdf(0.975)
INTERVAL_SHARE = 0.8  # of the interval of the level
INTERVAL_Z = NormalDist().inv_cdf((1 + INTERVAL_SHARE) / 2)
PRIOR_SHIFT = 0.3  # standard deviation of the level in log-odds without any earlier prediction
MAX_KNOWN_POINTS = 0.10  # the level is known if half its interval is at most this, as for the miscalibration alert
LEVEL_REASONS = ("", "few_periods", "levels_differ")

type Fit = Callable[[str, TrainingSample], ArrayModel]


@dataclass(frozen=True, eq=False)
class LevelPeriod:
    """The customers of one past moment, and what was known at it.

    train: rows whose outcomes were known by then. sample: the customers of that moment. season: those of a year before, or None.
    """

    train: TrainingSample
    sample: TrainingSample
    season: TrainingSample | None = None


@dataclass(frozen=True, eq=False)
class PeriodPrediction:
    """What a candidate would have predicted at a period, (n,), with the actual outcomes.

    season_shift: in log-odds, see ADJUSTMENTS; None without the customers of a year before.
    """

    probability: Floats
    label: Flags
    customer: Ints
    cutoff: int
    season_shift: float | None


@dataclass(frozen=True)
class LevelOption:
    """A candidate at one level.

    brier, gains: of each period in which it was possible, latest first. A gain is the reduction of the Brier score from the best
    probabilities without adjustment, with the low and high end of its 95 % interval.
    """

    candidate: str
    adjustment: Adjustment
    brier: tuple[float, ...]
    gains: tuple[tuple[float, float, float], ...]
    is_proven: bool


@dataclass(frozen=True, eq=False)
class LevelSelection:
    """The candidate and the adjustment in use.

    calibrations: of all options, by candidate and adjustment, fitted on all periods. scores: of the selected option in the latest
    period, with its labels; None without periods. summary: plain values, see `summarize_level`.
    """

    candidate: str
    calibration: Calibration
    calibrations: Mapping[tuple[str, Adjustment], Calibration]
    scores: tuple[Floats, Flags] | None
    summary: dict[str, Any]


def select_level(
    *,
    candidates: Sequence[str],
    fit: Fit,
    all_rows: TrainingSample,
    periods: Sequence[LevelPeriod],
    season: TrainingSample | None,
) -> LevelSelection:
    """Select the candidate and the adjustment of its level.

    candidates: the winner of the comparison first, then others that may serve without adjustment, such as the purchase model.
    periods: latest first; the outcomes of each one were known at the one before it in this order. season: the customers of a year
    before now. fit: fits a candidate to rows.

    By default, the candidate with the lowest mean Brier score in the two latest periods is used without adjustment. A recalibration
    replaces it if it was better in both of them by a 95 % interval of the paired differences, and not worse a year before now, since both
    periods can be in the same season. The season's level replaces it if it was better in all periods, at least two, and by such an interval
    in all of them together. With fewer periods, the winner is used without adjustment.
    """
    predictions = {name: [_predict_period(fit, name, period) for period in periods] for name in candidates}
    scores = {name: _adjust_periods(predictions[name]) for name in candidates}
    base = _select_unadjusted(candidates, predictions, scores)
    options = [
        _evaluate_option(name, adjustment, predictions[name], scores[name][adjustment], scores[base]["none"])
        for name in candidates
        for adjustment in ADJUSTMENTS
    ]
    by_key = {(option.candidate, option.adjustment): option for option in options}
    year_ago = {name: predict_probability(fit(name, all_rows), season.matrix) for name in candidates} if season else {}
    calibrations = _fit_calibrations(predictions, year_ago, season)
    proven = [
        option
        for option in options
        if option.is_proven and _fits_season(option, calibrations, year_ago.get(option.candidate), season)
    ]
    best = min(proven, key=lambda option: _mean_latest(option.brier), default=by_key[base, "none"])
    served = scores[best.candidate][best.adjustment]
    return LevelSelection(
        candidate=best.candidate,
        calibration=calibrations[best.candidate, best.adjustment],
        calibrations=calibrations,
        scores=(served[0], predictions[best.candidate][0].label) if served and served[0] is not None else None,
        summary=summarize_level(best, options, predictions[best.candidate], served),
    )


def summarize_level(
    best: LevelOption,
    options: Sequence[LevelOption],
    predictions: Sequence[PeriodPrediction],
    scores: Sequence[Floats | None],
) -> dict[str, Any]:
    """Return what is known of the level as plain values.

    adjustment; periods: [{at (microseconds), customers, rate, predicted}], latest first, of what would have served; shift: half the width of
    the interval of the level, in log-odds (see `estimate_level_shift`); options: [{candidate, adjustment, brier, gains, serves}].
    """
    known = [(prediction, score) for prediction, score in zip(predictions, scores, strict=True) if score is not None]
    residuals = [find_level_shift(score=score, rate=_smooth_rate(prediction.label)) for prediction, score in known]
    return {
        "adjustment": best.adjustment,
        "shift": estimate_level_shift(residuals),
        "residuals": residuals,
        "periods": [
            {
                "at": prediction.cutoff,
                "customers": len(prediction.label),
                "rate": float(prediction.label.mean()),
                "predicted": float(score.mean()),
            }
            for prediction, score in known
        ],
        "options": [
            {
                "candidate": option.candidate,
                "adjustment": option.adjustment,
                "brier": list(option.brier),
                "gains": [list(gain) for gain in option.gains],
                "serves": option is best,
            }
            for option in options
            if option.brier
        ],
    }


def estimate_level_shift(residuals: Sequence[float]) -> float:
    """Return half the width of the 80 % interval of the level, in log-odds.

    residuals: differences of predicted and actual rates at earlier moments, in log-odds. z · √((s² + Σ d²) / (1 + n)), in which the
    prior s counts as one earlier prediction: with none, the interval is that of an unknown shop.
    """
    total = PRIOR_SHIFT**2 + sum(residual**2 for residual in residuals)
    return INTERVAL_Z * sqrt(total / (1 + len(residuals)))


def bound_probabilities(probability: Floats, shift: float) -> tuple[Floats, Floats]:
    """Return the low and high end of the interval of probabilities, (n,), by the interval of the level."""
    odds = np.log(probability) - np.log1p(-probability)
    low: Floats = expit(odds - shift)
    high: Floats = expit(odds + shift)
    return low, high


def classify_level(*, mean: float, shift: float, n_periods: int) -> str:
    """Return why the level is not known, one of LEVEL_REASONS; "" if it is.

    mean: mean probability of the customers.
    """
    if n_periods < DECIDING_PERIODS:
        return "few_periods"
    odds = log(mean) - log(1.0 - mean)
    half_width = max(float(expit(odds + shift)) - mean, mean - float(expit(odds - shift)))
    return "levels_differ" if half_width > MAX_KNOWN_POINTS else ""


def _predict_period(fit: Fit, name: str, period: LevelPeriod) -> PeriodPrediction:
    """Predict the customers of a period with a model of what was known then."""
    model, sample = fit(name, period.train), period.sample
    return PeriodPrediction(
        probability=predict_probability(model, sample.matrix),
        label=sample.label,
        customer=sample.customer,
        cutoff=int(sample.cutoff[0]),
        season_shift=None if period.season is None else _find_season_shift(model, period.season),
    )


def _find_season_shift(model: ArrayModel, season: TrainingSample) -> float:
    """Return the shift in log-odds with which the model's mean prediction equals the actual rate of a year before."""
    return find_level_shift(score=predict_probability(model, season.matrix), rate=_smooth_rate(season.label))


def _smooth_rate(label: Flags) -> float:
    """Return the share of positives, never 0 or 1."""
    return (float(label.sum()) + 0.5) / (len(label) + 1.0)


def _adjust_periods(predictions: Sequence[PeriodPrediction]) -> dict[Adjustment, list[Floats | None]]:
    """Return the adjusted probabilities of each period; None where an adjustment wasn't possible then.

    A recalibration is fitted on the periods before.
    """
    adjusted: dict[Adjustment, list[Floats | None]] = {name: [] for name in ADJUSTMENTS}
    for index, prediction in enumerate(predictions):
        adjusted["none"].append(prediction.probability)
        shift = prediction.season_shift
        adjusted["season"].append(None if shift is None else make_shift(shift).apply(prediction.probability))
        for kind in RECALIBRATIONS:
            calibration = _fit_recalibration(kind, predictions[index + 1 :])
            adjusted[kind].append(None if calibration is None else calibration.apply(prediction.probability))
    return adjusted


def _fit_recalibration(kind: CalibrationType, predictions: Sequence[PeriodPrediction]) -> Calibration | None:
    """Fit a recalibration on the predictions of some periods; None with too few rows."""
    if not predictions:
        return None
    probability = np.concatenate([prediction.probability for prediction in predictions])
    label = np.concatenate([prediction.label for prediction in predictions])
    if kind == "isotonic" and len(label) < MIN_ISOTONIC_ROWS:
        return None
    return fit_calibration(kind=kind, probability=probability, label=label)


def _fit_calibrations(
    predictions: Mapping[str, Sequence[PeriodPrediction]],
    year_ago: Mapping[str, Floats],
    season: TrainingSample | None,
) -> dict[tuple[str, Adjustment], Calibration]:
    """Fit the adjustments as they would be applied now. year_ago: each candidate's probabilities of the customers of a year before."""
    calibrations: dict[tuple[str, Adjustment], Calibration] = {}
    for name, periods in predictions.items():
        calibrations[name, "none"] = UNCALIBRATED
        if season is not None:
            shift = find_level_shift(score=year_ago[name], rate=_smooth_rate(season.label))
            calibrations[name, "season"] = make_shift(shift)
        for kind in RECALIBRATIONS:
            calibration = _fit_recalibration(kind, periods)
            if calibration is not None:
                calibrations[name, kind] = calibration
    return calibrations


def _fits_season(
    option: LevelOption,
    calibrations: Mapping[tuple[str, Adjustment], Calibration],
    probability: Floats | None,
    season: TrainingSample | None,
) -> bool:
    """Return whether an adjustment is known now and was not worse than none a year before. probability: of the customers of that time."""
    key = (option.candidate, option.adjustment)
    if key not in calibrations or season is None or probability is None:
        return key in calibrations
    adjusted = brier_score(score=calibrations[key].apply(probability), label=season.label)
    return adjusted <= brier_score(score=probability, label=season.label)


def _select_unadjusted(
    candidates: Sequence[str],
    predictions: Mapping[str, Sequence[PeriodPrediction]],
    scores: Mapping[str, Mapping[Adjustment, Sequence[Floats | None]]],
) -> str:
    """Return the candidate that is used if no adjustment is proven."""
    if len(predictions[candidates[0]]) < DECIDING_PERIODS:
        return candidates[0]

    def compute_mean_brier(name: str) -> float:
        pairs = zip(scores[name]["none"], predictions[name], strict=True)
        return _mean_latest(
            [brier_score(score=score, label=prediction.label) for score, prediction in pairs if score is not None]
        )

    return min(candidates, key=compute_mean_brier)


def _mean_latest(values: Sequence[float]) -> float:
    """Return the mean over the deciding periods."""
    return float(np.mean(values[:DECIDING_PERIODS]))


def _evaluate_option(
    name: str,
    adjustment: Adjustment,
    predictions: Sequence[PeriodPrediction],
    scores: Sequence[Floats | None],
    base_scores: Sequence[Floats | None],
) -> LevelOption:
    """Compare an option with the best unadjusted probabilities."""
    reductions = [
        (_square_errors(base, prediction.label) - _square_errors(score, prediction.label), prediction.customer)
        for score, base, prediction in zip(scores, base_scores, predictions, strict=True)
        if score is not None and base is not None
    ]
    briers = tuple(
        brier_score(score=score, label=prediction.label)
        for score, prediction in zip(scores, predictions, strict=True)
        if score is not None
    )
    gains = tuple(estimate_gain(reduction, customer) for reduction, customer in reductions)
    return LevelOption(name, adjustment, briers, gains, _is_proven(adjustment, scores, reductions, gains))


def _is_proven(
    adjustment: Adjustment,
    scores: Sequence[Floats | None],
    reductions: Sequence[tuple[Floats, Ints]],
    gains: Sequence[tuple[float, float, float]],
) -> bool:
    """Return whether an adjustment has been better than none, see `select_level`."""
    latest = scores[:DECIDING_PERIODS]
    if adjustment == "none" or len(latest) < DECIDING_PERIODS or any(score is None for score in latest):
        return False
    if adjustment != "season":
        return all(low > 0 for _gain, low, _high in gains[:DECIDING_PERIODS])
    together = estimate_gain(*(np.concatenate(parts) for parts in zip(*reductions, strict=True)))
    return all(gain > 0 for gain, _low, _high in gains) and together[1] > 0


def _square_errors(score: Floats, label: Flags) -> Floats:
    """Return the squared errors, (n,)."""
    errors: Floats = (score - label) ** 2
    return errors


def estimate_gain(reduction: Floats, customer: Ints) -> tuple[float, float, float]:
    """Return the mean reduction of the squared error, with its 95 % interval.

    reduction, customer: (n,). The rows of a customer depend on each other, so the variance is that of the sums by customer.
    """
    mean = float(reduction.mean())
    _ids, index = np.unique(customer, return_inverse=True)
    sums = np.bincount(index, reduction - mean)
    half_width = CONFIDENCE_Z * sqrt(float((sums**2).sum())) / len(reduction)
    return mean, mean - half_width, mean + half_width
