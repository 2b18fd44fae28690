"""Lets the candidates compete on customers or moments they have not seen, and lets the simplest one win unless it is beaten."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.samples import Sample
from customers.lifecycle.scoring.propensity.metrics import auc, brier
from customers.lifecycle.scoring.propensity.models import candidates as fits
from customers.lifecycle.scoring.propensity.models.array_models import Blend, Model, probability, to_log_odds
from customers.lifecycle.scoring.propensity.models.calibration import FOLDS, Calibration, choose_calibration, folds_of
from customers.lifecycle.scoring.propensity.models.candidates import Settings, choose_settings

# simplest first; `rate` says the same of everybody, where no recency is known; `buying` is the buying process' probability
CANDIDATES = ("rate", "recency", "buying", "tree", "logistic", "boosting", "forest", "blend")
SIMPLE = ("rate", "recency", "buying")
BLENDED = ("logistic", "boosting")
SHARES = (0.0, 0.2, 0.4)  # of the buying process in the blend
DRAWS = 400
LEVEL = 0.95
BOOTSTRAP_ROWS = 30_000

type Fitter = Callable[[Sample], Model]


@dataclass(frozen=True)
class Judged:
    """A candidate on the validation part. brier: of its probabilities calibrated on other customers of that part; said: their mean
    before that, beside which the share that came true shows how far the level has drifted. brier_gain, auc_gain: how much better
    it is than the better simple one, with the low and high end of 95 % of paired resamples of customers; None for the simple ones.
    """

    name: str
    brier: float
    auc: float
    said: float
    brier_gain: tuple[float, float, float] | None = None
    auc_gain: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the competition found: the winner, all figures, each candidate's probabilities of the judged `rows`, as they came and
    `calibrated` on other customers; and for fitting on all there is the settings and the buying process' share in the blend."""

    winner: str
    judged: tuple[Judged, ...]
    chances: Mapping[str, Floats]
    calibrated: Mapping[str, Floats]
    rows: Sample
    by_time: bool
    settings: Settings
    share: float


def compete(*, train: Sample | None, every: Sample, validation: Sample | None, given: str | None, seed: int) -> Outcome:
    """Fits each candidate on `train`, judges it on `validation`; where there is no train, on folds of the customers of `every`.

    What they are compared by is calibrated on other customers of the same part: a level that moves from one moment to the next
    moves for all of them, in a direction that none knows, and is no merit of whichever happened to be off to that side.

    Where history is too short to be judged by a later moment, what is learnt from customers as they were then hasn't shown that it
    holds for what comes: then only a blend with the largest of SHARES of the buying process may beat the simple ones, if that
    process is given.
    """
    if train is not None and validation is not None:
        settings = choose_settings(train, given=given, seed=seed)
        rows, chances = validation, _chances(fitters(every, settings, given, seed), train, validation)
        settings = choose_settings(every, given=given, seed=seed)
    else:
        settings = choose_settings(every, given=given, seed=seed)
        rows, chances = every, _by_folds(fitters(every, settings, given, seed), every, seed)
    by_time = rows is not every
    cautious = given is not None and not by_time
    shares = SHARES[:1] if given is None else SHARES[-1:] if cautious else SHARES
    share = min(shares, key=lambda one: brier(score=_blended(chances, one), label=rows.label))
    chances["blend"] = _blended(chances, share)
    calibrated = {name: _cross_calibrated(chance, rows, seed) for name, chance in chances.items()}
    allowed = ("blend",) if cautious else CANDIDATES
    winner, judged = decide(calibrated, chances, rows, seed, allowed=allowed)
    return Outcome(winner, judged, chances, calibrated, rows, by_time, settings, share)


def fitters(sample: Sample, settings: Settings, given: str | None, seed: int) -> dict[str, Fitter]:
    """By name how each candidate but the blend is fitted, for samples of the same columns."""
    has_recency = fits.RECENCY in sample.names
    found: dict[str, Fitter] = {"recency": fits.fit_recency} if has_recency else {"rate": fits.fit_rate}
    if given is not None:
        found["buying"] = lambda sample: fits.fit_given(sample, column=given)
    return found | {
        "tree": lambda sample: fits.fit_tree(sample, seed=seed),
        "logistic": lambda sample: fits.fit_logistic(sample, settings=settings, given=given),
        "boosting": lambda sample: fits.fit_boosting(sample, settings=settings, seed=seed),
        "forest": lambda sample: fits.fit_forest(sample, seed=seed),
    }


def finish(name: str, *, outcome: Outcome, every: Sample, given: str | None, seed: int) -> tuple[Model, Calibration]:
    """The named candidate fitted on `every` row, and its calibration by what it says of customers it hasn't seen."""
    own = fitters(every, outcome.settings, given, seed)
    members = (*BLENDED, "buying") if outcome.share else BLENDED
    wanted = {member: own[member] for member in (members if name == "blend" else (name,))}
    models = {member: fit(every) for member, fit in wanted.items()}
    if not outcome.by_time:
        unseen = dict(outcome.chances)
    else:
        unseen = _by_folds({key: fit for key, fit in wanted.items() if key not in SIMPLE}, every, seed)
        unseen |= {key: probability(models[key], every.matrix) for key in wanted if key in SIMPLE}
    if name != "blend":
        return models[name], _calibrated_on(every, unseen[name], seed)
    weights = [(1 - outcome.share) / len(BLENDED)] * len(BLENDED) + ([outcome.share] if outcome.share else [])
    model = Blend(tuple(models[member] for member in members), np.array(weights), base=0.0)
    return model, _calibrated_on(every, _blended(unseen, outcome.share), seed)


def decide(
    calibrated: Mapping[str, Floats], chances: Mapping[str, Floats], rows: Sample, seed: int, *, allowed: Sequence[str]
) -> tuple[str, tuple[Judged, ...]]:
    """The least Brier of the calibrated probabilities wins among the `allowed` that aren't simple, unless the better simple one isn't
    beaten beyond chance: then that one.

    Beyond chance: 97.5 % of the paired resamples of customers find the winner better by Brier, or by AUC while it isn't worse by
    Brier. Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """

    def figures(name: str) -> tuple[str, float, float, float]:
        area = auc(score=chances[name], label=rows.label)
        return name, brier(score=calibrated[name], label=rows.label), area, float(chances[name].mean())

    others = [name for name in CANDIDATES if name in chances and name not in SIMPLE]
    simple = [Judged(*figures(name)) for name in SIMPLE if name in chances]
    floor = min(simple, key=lambda one: one.brier).name
    names = (floor, *others)
    gains = paired_gains([calibrated[name] for name in names], [chances[name] for name in names], rows, seed)
    judged = [Judged(*figures(name), *gain) for name, gain in zip(others, gains, strict=True)]
    best = min((one for one in judged if one.name in allowed), key=lambda one: one.brier)
    return (best.name if _beats(best) else floor), (*simple, *judged)


def _beats(one: Judged) -> bool:
    if one.brier_gain is None or one.auc_gain is None:
        return False
    return one.brier_gain[1] > 0 or (one.auc_gain[1] > 0 and one.brier_gain[0] > 0)


def paired_gains(
    calibrated: list[Floats], chances: list[Floats], rows: Sample, seed: int
) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """For each but the first: its gain in Brier (of `calibrated`) and in AUC (of `chances`) over the first, with the
    range of 95 % of the resamples of customers."""
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
    resampled = np.empty((DRAWS, 2, len(chances)))
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


def _blended(chances: Mapping[str, Floats], share: float) -> Floats:
    """Mean of the members' log-odds, the buying process' having `share` of it."""
    odds = (1 - share) * np.mean([to_log_odds(chances[name]) for name in BLENDED], axis=0)
    found: Floats = expit(odds + share * to_log_odds(chances["buying"]) if share else odds)
    return found


def _calibrated_on(rows: Sample, chance: Floats, seed: int) -> Calibration:
    return choose_calibration(chance=chance, label=rows.label, group=rows.customer, cut=rows.cut, seed=seed)


def _cross_calibrated(chance: Floats, rows: Sample, seed: int) -> Floats:
    """Probabilities calibrated on other customers than those they are of."""
    fold = folds_of(rows.customer, FOLDS, seed + 1)
    found = np.empty(len(chance))
    for one in range(FOLDS):
        inside, outside = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        found[inside] = _calibrated_on(rows.taken(outside), chance[outside], seed).apply(chance[inside])
    return found
