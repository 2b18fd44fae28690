"""Figures of a training as JSON: rounded to six decimals, None where a figure is undefined."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Interval(Protocol):
    """A figure with the bounds of its confidence interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def round_figure(value: float | None) -> float | None:
    """Return a rounded number, None for None and NaN: JSON has no NaN."""
    return round(float(value), 6) if value is not None and np.isfinite(value) else None


def serialize_interval(interval: Interval) -> dict[str, float | None]:
    """Return a figure with its confidence interval as JSON."""
    return {
        "value": round_figure(interval.value),
        "low": round_figure(interval.low),
        "high": round_figure(interval.high),
    }


def compute_finite_mean(values: npt.NDArray[Any]) -> float:
    """Return the mean without NaN, NaN if there is no finite value."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
