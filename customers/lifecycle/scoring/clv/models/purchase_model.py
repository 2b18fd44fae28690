"""What every model of a buying process answers, and how it is written down."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.purchase_histories import Groups


class BuyingProcess(Protocol):
    """Four positive parameters; x, t_x, age are arrays of shape (n,) in the unit of time that the parameters are in."""

    name: ClassVar[str]

    def log_likelihood(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats: ...

    def total_log_likelihood(self, groups: Groups) -> tuple[float, Floats]: ...

    def alive(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats: ...

    def expected(self, *, horizon: npt.ArrayLike, x: Ints, t_x: Floats, age: Floats) -> Floats: ...

    def expected_if_alive(self, *, horizon: Floats, x: Ints, age: Floats) -> Floats: ...

    def tails_if_alive(self, *, horizon: float, x: int, age: Floats, most: int) -> Floats: ...

    def parameters(self) -> Floats: ...

    @classmethod
    def of(cls, parameters: Floats) -> Self: ...

    @classmethod
    def stretched(cls, parameters: Floats, scale: float) -> Self: ...


class Parameters:
    """For frozen dataclasses of positive floats; `times` names those that are times."""

    name: ClassVar[str]
    times: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for parameter, value in asdict(self).items():  # type: ignore[call-overload]
            if not 0 < value < np.inf:
                raise ValueError(f"{parameter} must be finite and greater than 0, got {value}")

    def parameters(self) -> Floats:
        return np.array(list(asdict(self).values()))  # type: ignore[call-overload]

    @classmethod
    def of(cls, parameters: Floats) -> Self:
        return cls(*(float(value) for value in parameters))

    @classmethod
    def stretched(cls, parameters: Floats, scale: float) -> Self:
        """From parameters in units `scale` times as long."""
        longer = np.array([scale if field.name in cls.times else 1.0 for field in fields(cls)])  # type: ignore[arg-type]
        return cls.of(parameters * longer)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Errors: ValueError for another model's dict, a missing parameter, or one that is no positive number."""
        if saved.get("name") != cls.name:
            raise ValueError(f"name must be {cls.name!r}, got {saved.get('name')!r}")
        missing = [field.name for field in fields(cls) if field.name not in saved]  # type: ignore[arg-type]
        if missing:
            raise ValueError(f"{cls.name} lacks {', '.join(missing)}")
        return cls(*(float(saved[field.name]) for field in fields(cls)))  # type: ignore[arg-type]


def check_histories(x: npt.NDArray[Any], t_x: npt.NDArray[Any], age: npt.NDArray[Any]) -> None:
    """Errors: ValueError unless x ≥ 0 and 0 ≤ t_x ≤ age, all finite and of one shape."""
    if not x.shape == t_x.shape == age.shape:
        raise ValueError(f"x has shape {x.shape}, t_x {t_x.shape} and age {age.shape}; give one entry a customer")
    if not (np.all(x >= 0) and np.all(t_x >= 0) and np.all(t_x <= age) and np.all(np.isfinite(age))):
        raise ValueError("x must be at least 0, and 0 ≤ t_x ≤ age with age finite, for every customer")


def as_horizons(horizon: npt.ArrayLike) -> Floats:
    """Shape (h,). Errors: ValueError for a horizon that is negative or not finite."""
    horizons = np.atleast_1d(np.asarray(horizon, np.float64))
    if not (np.all(horizons >= 0) and np.all(np.isfinite(horizons))):
        raise ValueError(f"horizon must be finite and at least 0, got {horizons.tolist()}")
    return horizons
