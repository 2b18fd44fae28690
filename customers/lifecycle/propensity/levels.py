"""Reads what is known about the level of a propensity, and derives the interval of a probability from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from customers.lifecycle.models import ScoreModel
from customers.lifecycle.scoring.propensity.levels import bound_probabilities, classify_level, estimate_level_shift

MIN_MEAN = 1e-6


@dataclass(frozen=True)
class PropensityLevel:
    """The level of one propensity.

    adjustment: how the level is adjusted. reason: why it is not known, "" if it is (see `classify_level`). cutoffs: number of earlier moments
    at which predictions were compared; low, high: the lowest and the highest actual rate at them, None without any. difference: the
    largest difference between a predicted and an actual rate at them. shift: half the width of the 80 % interval, in log-odds.
    """

    adjustment: str
    reason: str
    cutoffs: int
    low: float | None
    high: float | None
    difference: float | None
    shift: float

    def bound(self, probability: float) -> tuple[float, float]:
        """Return the interval of a probability."""
        low, high = bound_probabilities(np.array([probability]), self.shift)
        return float(low[0]), float(high[0])


def read_level(score_model: ScoreModel) -> PropensityLevel:
    """Return the level that the training measured; without a trained model, the default for an unknown shop."""
    figures = score_model.figures
    level = figures.get("level") or {"adjustment": "none", "periods": [], "shift": estimate_level_shift([])}
    periods = level["periods"]
    mean = periods[0]["predicted"] if periods else figures.get("rate") or 0.0
    rates = [period["rate"] for period in periods]
    return PropensityLevel(
        adjustment=level["adjustment"],
        reason=classify_level(
            mean=min(max(mean, MIN_MEAN), 1 - MIN_MEAN), shift=level["shift"], n_periods=len(periods)
        ),
        cutoffs=len(periods),
        low=min(rates, default=None),
        high=max(rates, default=None),
        difference=max((abs(period["predicted"] - period["rate"]) for period in periods), default=None),
        shift=level["shift"],
    )


def bound_propensities(
    probabilities: Mapping[str, float], score_models: Mapping[str, ScoreModel]
) -> dict[str, tuple[float, float]]:
    """Return the interval of each probability of a customer, by kind.

    As for the probabilities of a purchase, neither end falls with a longer horizon, and churn and a purchase within the same horizon have
    opposite intervals; otherwise the intervals are widened.
    """
    bounds = {kind: read_level(score_models[kind]).bound(value) for kind, value in probabilities.items()}
    days = {kind: score_models[kind].parameters["horizon_days"] for kind in bounds}
    kinds = sorted(bounds, key=lambda kind: days[kind])
    purchase = [_flip(bounds[kind]) if kind == ScoreModel.Kind.CHURN else bounds[kind] for kind in kinds]
    widened = widen_intervals(purchase, [days[kind] for kind in kinds])
    return {
        kind: _flip(interval) if kind == ScoreModel.Kind.CHURN else interval
        for kind, interval in zip(kinds, widened, strict=True)
    }


def widen_intervals(intervals: Sequence[tuple[float, float]], days: Sequence[int]) -> list[tuple[float, float]]:
    """Return intervals whose bounds never fall with the horizon, and are equal for equal ones, by lowering lower and raising upper ends."""
    rows = list(zip(intervals, days, strict=True))
    return [
        (
            min(low for (low, _high), other in rows if other >= horizon),
            max(high for (_low, high), other in rows if other <= horizon),
        )
        for horizon in days
    ]


def _flip(interval: tuple[float, float]) -> tuple[float, float]:
    """Return the interval of the opposite outcome."""
    low, high = interval
    return 1.0 - high, 1.0 - low
