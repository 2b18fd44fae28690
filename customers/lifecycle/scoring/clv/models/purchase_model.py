"""The common base of the purchase models: parameters, serialization and input checks."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints


class PositiveParameters:
    """Base of frozen dataclasses of positive floats.

    `time_parameters` names those that are times.
    """

    name: ClassVar[str]
    time_parameters: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for parameter, value in asdict(self).items():  # type: ignore[call-overload]
            if not 0 < value < np.inf:
                raise ValueError(f"{parameter} must be finite and greater than 0, got {value}")

    def to_array(self) -> Floats:
        """Return the parameters in the order of the fields."""
        return np.array(list(asdict(self).values()))  # type: ignore[call-overload]

    @classmethod
    def from_array(cls, parameters: Floats) -> Self:
        """Build a model from parameters in the order of the fields."""
        return cls(*(float(value) for value in parameters))

    @classmethod
    def from_rescaled(cls, parameters: Floats, scale: float) -> Self:
        """Build a model from parameters in units `scale` times as long."""
        longer = np.array([scale if field.name in cls.time_parameters else 1.0 for field in fields(cls)])  # type: ignore[arg-type]
        return cls.from_array(parameters * longer)

    def to_dict(self) -> dict[str, Any]:
        """Return name and parameters for JSON."""
        return {"name": self.name, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild a model.

        Errors: ValueError for another model's dict, a missing or a non-positive parameter.
        """
        if saved.get("name") != cls.name:
            raise ValueError(f"name must be {cls.name!r}, got {saved.get('name')!r}")
        missing = [field.name for field in fields(cls) if field.name not in saved]  # type: ignore[arg-type]
        if missing:
            raise ValueError(f"{cls.name} lacks {', '.join(missing)}")
        return cls(*(float(saved[field.name]) for field in fields(cls)))  # type: ignore[arg-type]


def check_histories(x: npt.NDArray[Any], t_x: npt.NDArray[Any], age: npt.NDArray[Any]) -> None:
    """Raise ValueError unless x ≥ 0 and 0 ≤ t_x ≤ age, all finite and of one shape."""
    if not x.shape == t_x.shape == age.shape:
        raise ValueError(f"x has shape {x.shape}, t_x {t_x.shape} and age {age.shape}; pass one entry per customer")
    if not (np.all(x >= 0) and np.all(t_x >= 0) and np.all(t_x <= age) and np.all(np.isfinite(age))):
        raise ValueError("x must be at least 0, and 0 ≤ t_x ≤ age with age finite, for every customer")


def compute_rate_posterior(
    *, r: float, alpha: float, x: int | Ints, age: Floats, horizon: float, drift: float = np.inf
) -> tuple[Floats, Floats]:
    """Return shape and rate of the gamma distribution of a customer's mean purchase rate in the horizon, both of shape (n,).

    λ | history ~ Gamma(r + w·x, (r + w·x) · (α + T) / (r + x)), w = 1 / (1 + T (T + t) / drift²), t: `horizon`.
    If rates never change, drift is infinite, w = 1, and this is the posterior of the model. If they do, past purchases tell less about
    the future: the mean (r + x) / (α + T) stays, and the variance grows by (r + x) / (r + w·x). w is that of a random walk: over T the
    mean rate is known with variance λ / T, and that of the next t differs from it by λ (T + t) / drift², in units of one purchase.
    Errors: ValueError for a drift of 0 or less.
    """
    if not drift > 0:
        raise ValueError(f"drift must be greater than 0, got {drift}")
    shape = r + x / (1.0 + age * (age + horizon) / drift**2)
    return shape, shape / (r + x) * (alpha + age)


def to_horizons(horizon: npt.ArrayLike) -> Floats:
    """Return horizons of shape (h,).

    Errors: ValueError for a horizon that is negative or not finite.
    """
    horizons = np.atleast_1d(np.asarray(horizon, np.float64))
    if not (np.all(horizons >= 0) and np.all(np.isfinite(horizons))):
        raise ValueError(f"horizon must be finite and at least 0, got {horizons.tolist()}")
    return horizons
