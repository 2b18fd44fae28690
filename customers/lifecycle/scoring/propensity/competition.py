"""Lets the candidates compete on customers or moments they have not seen, and lets the simplest one win unless it is beaten."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from customers.lifecycle.scoring.propensity import candidates as fits
from customers.lifecycle.scoring.propensity.calibration import (
    FOLDS,
    Calibration,
    choose_calibration,
    folds_of,
)
from customers.lifecycle.scoring.propensity.candidates import Settings, choose_settings
from customers.lifecycle.scoring.propensity.facts import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.models import Blend, Model, probability, to_log_odds
from customers.lifecycle.scoring.propensity.quality import auc, brier
from customers.lifecycle.scoring.propensity.samples import Sample

# simplest first; `buying` is the buying process' probability as it is
CANDIDATES = ("recency", "buying", "tree", "logistic", "boosting", "forest", "blend")
SIMPLE = ("recency", "buying")
BLENDED = ("logistic", "boosting")
DRAWS = 400
LEVEL = 0.95
BOOTSTRAP_ROWS = 50_000

type Fitter = Callable[[Sample], Model]


@dataclass(frozen=True)
class Judged:
    """A candidate on the validation part. brier_gain, auc_gain: how much better it is than the better simple one, with the low and
    high end of 95 % of paired resamples of customers; None for the simple ones."""

    name: str
    brier: float
    auc: float
    brier_gain: tuple[float, float, float] | None = None
    auc_gain: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the competition found: the winner, all figures, and each candidate's uncalibrated probabilities of the judged `rows`."""

    winner: str
    judged: tuple[Judged, ...]
    chances: Mapping[str, Floats]
    rows: Sample
    settings: Settings


def compete(*, train: Sample | None, every: Sample, validation: Sample | None, given: str | None, seed: int) -> Outcome:
    """Fits each candidate on `train`, judges it on `validation`; where there is no train, on folds of the customers of `every`.

    Each candidate is judged by its calibrated probabilities, calibrated on other rows than it is judged on.
    """
    source = train if train is not None and validation is not None else every
    settings = choose_settings(source, given=given, seed=seed)
    if train is not None and validation is not None:
        rows, chances = validation, _chances(fitters(settings, given, seed), train, validation)
    else:
        rows, chances = every, _by_folds(fitters(settings, given, seed), every, seed)
    chances["blend"] = _blended(chances)
    calibrated = {name: _cross_calibrated(chance, rows, seed) for name, chance in chances.items()}
    winner, judged = decide(calibrated, chances, rows, seed)
    return Outcome(winner, judged, chances, rows, settings)


def fitters(settings: Settings, given: str | None, seed: int) -> dict[str, Fitter]:
    found: dict[str, Fitter] = {"recency": fits.fit_recency}
    if given is not None:
        found["buying"] = lambda sample: fits.fit_given(sample, column=given)
    return found | {
        "tree": lambda sample: fits.fit_tree(sample, seed=seed),
        "logistic": lambda sample: fits.fit_logistic(sample, settings=settings, given=given),
        "boosting": lambda sample: fits.fit_boosting(sample, settings=settings, seed=seed),
        "forest": lambda sample: fits.fit_forest(sample, seed=seed),
    }


def refit(name: str, *, sample: Sample, settings: Settings, given: str | None, seed: int) -> Model:
    """The named candidate on all there is."""
    all_fitters = fitters(settings, given, seed)
    if name != "blend":
        return all_fitters[name](sample)
    members = tuple(all_fitters[member](sample) for member in BLENDED)
    return Blend(members, np.full(len(members), 1 / len(members)), base=0.0)


def finish(name: str, *, outcome: Outcome, every: Sample, given: str | None, seed: int) -> tuple[Model, Calibration]:
    """The named candidate fitted on `every` row, and its calibration on the rows that it was judged on."""
    model = refit(name, sample=every, settings=outcome.settings, given=given, seed=seed)
    rows = outcome.rows
    calibration = choose_calibration(
        chance=outcome.chances[name], label=rows.label, group=rows.customer, cut=rows.cut, seed=seed
    )
    return model, calibration


def decide(
    calibrated: Mapping[str, Floats], chances: Mapping[str, Floats], rows: Sample, seed: int
) -> tuple[str, tuple[Judged, ...]]:
    """The least Brier wins, unless the better simple one isn't beaten beyond chance: then that one.

    Beyond chance: of `DRAWS` paired resamples of customers 97.5 % find the winner better by Brier, or by AUC while not worse by
    Brier. Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    errors = {name: brier(score=chance, label=rows.label) for name, chance in calibrated.items()}
    areas = {name: auc(score=chance, label=rows.label) for name, chance in chances.items()}
    floor = min((name for name in SIMPLE if name in calibrated), key=lambda name: errors[name])
    others = [name for name in CANDIDATES if name in calibrated and name not in SIMPLE]
    gains = paired_gains(
        [calibrated[name] for name in (floor, *others)], [chances[name] for name in (floor, *others)], rows, seed
    )
    judged = [Judged(name, errors[name], areas[name]) for name in SIMPLE if name in calibrated]
    judged += [Judged(name, errors[name], areas[name], *gain) for name, gain in zip(others, gains, strict=True)]
    best = min((one for one in judged if one.name in others), key=lambda one: one.brier, default=None)
    return (best.name if best is not None and _beats(best) else floor), tuple(judged)


def _beats(one: Judged) -> bool:
    if one.brier_gain is None or one.auc_gain is None:
        return False
    return one.brier_gain[1] > 0 or (one.auc_gain[1] > 0 and one.brier_gain[0] > 0)


def paired_gains(
    calibrated: list[Floats], chances: list[Floats], rows: Sample, seed: int
) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """For each but the first: its gain in Brier and in AUC over the first, with the range of 95 % of the resamples of customers."""
    draws = np.random.default_rng(seed)
    ids, place = np.unique(rows.customer, return_inverse=True)
    if len(rows) > BOOTSTRAP_ROWS:
        kept = draws.choice(len(rows), BOOTSTRAP_ROWS, replace=False)
        ids, place = np.unique(rows.customer[kept], return_inverse=True)
    else:
        kept = np.arange(len(rows))
    label = rows.label[kept]
    errors = np.array([(one[kept] - label) ** 2 for one in calibrated])
    sorted_rows = [_ties(one[kept]) for one in chances]
    resampled = np.empty((DRAWS, 2, len(calibrated)))
    for draw in range(DRAWS):
        weight = np.bincount(draws.integers(0, len(ids), len(ids)), minlength=len(ids))[place].astype(np.float64)
        resampled[draw, 0] = errors @ weight / weight.sum()
        resampled[draw, 1] = [_weighted_auc(order, tie, label, weight) for order, tie in sorted_rows]
    own = np.ones(len(label))
    seen = np.array([errors @ own / len(own), [_weighted_auc(order, tie, label, own) for order, tie in sorted_rows]])
    sign = np.array([-1.0, 1.0])[:, None]
    gain = sign * (seen[:, 1:] - seen[:, :1])
    low, high = np.quantile(
        sign * (resampled[:, :, 1:] - resampled[:, :, :1]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0
    )
    found = []
    for one in range(gain.shape[1]):
        pair = [(float(gain[m, one]), float(low[m, one]), float(high[m, one])) for m in range(2)]
        found.append((pair[0], pair[1]))
    return found


def _ties(score: Floats) -> tuple[Ints, Ints]:
    """Rows in order of score, and where each group of equal scores starts."""
    order = np.argsort(score, kind="stable")
    return order, np.flatnonzero(np.concatenate(([True], np.diff(score[order]) != 0)))


def _weighted_auc(order: Ints, starts: Ints, label: Flags, weight: Floats) -> float:
    """Half where a resample has no positives or no negatives."""
    positive = np.add.reduceat((weight * label)[order], starts)
    negative = np.add.reduceat((weight * ~label)[order], starts)
    total = positive.sum() * negative.sum()
    return float((positive * (np.cumsum(negative) - negative / 2)).sum() / total) if total > 0 else 0.5


def _chances(models: Mapping[str, Fitter], train: Sample, validation: Sample) -> dict[str, Floats]:
    return {name: probability(fit(train), validation.matrix) for name, fit in models.items()}


def _by_folds(models: Mapping[str, Fitter], sample: Sample, seed: int) -> dict[str, Floats]:
    fold = folds_of(sample.customer, FOLDS, seed)
    found = {name: np.empty(len(sample)) for name in models}
    for one in range(FOLDS):
        inside, outside = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        for name, chance in _chances(models, sample.taken(outside), sample.taken(inside)).items():
            found[name][inside] = chance
    return found


def _blended(chances: Mapping[str, Floats]) -> Floats:
    found: Floats = expit(np.mean([to_log_odds(chances[name]) for name in BLENDED], axis=0))
    return found


def _cross_calibrated(chance: Floats, rows: Sample, seed: int) -> Floats:
    """Probabilities calibrated on other customers than those they are of."""
    fold = folds_of(rows.customer, FOLDS, seed + 1)
    found = np.empty(len(chance))
    for one in range(FOLDS):
        inside, outside = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        calibration = choose_calibration(
            chance=chance[outside], label=rows.label[outside], group=rows.customer[outside], cut=rows.cut[outside],
            seed=seed,
        )  # fmt: skip
        found[inside] = calibration.apply(chance[inside])
    return found
