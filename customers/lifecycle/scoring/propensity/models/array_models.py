"""Models as arrays: each gives a margin for a matrix of features and tells exactly what every column adds to it.

The margin is a log-odds or a probability (`scale`). For all: margin = average + Σ of contributions, `average` being the mean
margin over the rows it was learnt from, or for trees the mean of their leaves over those rows. No scikit-learn is needed to
score, so a model can be kept as arrays and JSON and be loaded without running anything.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.models.kernels import (
    LOGIT,
    PLAIN,
    SIGNED_LOG,
    linear_contributions,
    linear_margin,
    tree_contributions,
    tree_margin,
)

type Scale = Literal["log_odds", "probability"]
type Arrays = dict[str, npt.NDArray[Any]]

LEAST_PROBABILITY = 1e-6
TRANSFORMS = (PLAIN, SIGNED_LOG, LOGIT)


class Model(Protocol):
    """average: margin of the average customer. scale: what a margin is."""

    @property
    def scale(self) -> Scale: ...

    @property
    def average(self) -> float: ...

    def margin(self, matrix: Matrix) -> Floats:
        """(n,) for a matrix (n, k)."""

    def contributions(self, matrix: Matrix) -> Floats:
        """(n, k): what each column adds to `average`."""

    def arrays(self) -> Arrays:
        """Everything there is to keep."""


def probability(model: Model, matrix: Matrix) -> Floats:
    """The uncalibrated probability, (n,), at least 1e-6 away from 0 and 1."""
    margin = model.margin(matrix)
    found = expit(margin) if model.scale == "log_odds" else margin
    return np.clip(found, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)


def to_log_odds(chance: Floats) -> Floats:
    found: Floats = logit(np.clip(chance, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
    return found


@dataclass(frozen=True, eq=False)
class Curve:
    """One column's value → probability, straight between the points (x, y) and level beyond them. Shape of x, y: (p,)."""

    column: int
    x: Floats
    y: Floats
    mean: float
    scale: Scale = "probability"

    @property
    def average(self) -> float:
        return self.mean

    def margin(self, matrix: Matrix) -> Floats:
        return np.interp(matrix[:, self.column].astype(np.float64), self.x, self.y)

    def contributions(self, matrix: Matrix) -> Floats:
        return _only(self.column, self.margin(matrix) - self.mean, matrix)

    def arrays(self) -> Arrays:
        return {"column": np.array(self.column), "x": self.x, "y": self.y, "mean": np.array(self.mean)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Curve":
        return cls(int(arrays["column"]), arrays["x"], arrays["y"], float(arrays["mean"]))


@dataclass(frozen=True, eq=False)
class Given:
    """A column that is a probability already, of the buying process for one; its log-odds."""

    column: int
    mean: float
    scale: Scale = "log_odds"

    @property
    def average(self) -> float:
        return self.mean

    def margin(self, matrix: Matrix) -> Floats:
        return to_log_odds(matrix[:, self.column].astype(np.float64))

    def contributions(self, matrix: Matrix) -> Floats:
        return _only(self.column, self.margin(matrix) - self.mean, matrix)

    def arrays(self) -> Arrays:
        return {"column": np.array(self.column), "mean": np.array(self.mean)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Given":
        return cls(int(arrays["column"]), float(arrays["mean"]))


@dataclass(frozen=True, eq=False)
class Linear:
    """b + Σ_j [c_j0 z_j + Σ_m c_jm max(0, z_j − knot_jm)], z_j = (t_j(x_j) − centre_j) / spread_j, at most 5 away from 0.

    transform: (k,), codes of t: itself, sign(x) · ln(1 + |x|), log-odds. centre, spread: (k,). coefficients: (k, 1 + m).
    knots: (k, m); m = 0 is plain logistic regression. means: (k,), mean of each column's term; average = b + Σ means.
    """

    transform: Ints
    centre: Floats
    spread: Floats
    knots: Floats
    coefficients: Floats
    intercept: float
    means: Floats
    scale: Scale = "log_odds"

    @property
    def average(self) -> float:
        return self.intercept + float(self.means.sum())

    def margin(self, matrix: Matrix) -> Floats:
        return self.intercept + linear_margin(matrix, *self._parts())

    def contributions(self, matrix: Matrix) -> Floats:
        found: Floats = linear_contributions(matrix, *self._parts()) - self.means
        return found

    def _parts(self) -> tuple[Ints, Floats, Floats, Floats, Floats]:
        return self.transform, self.centre, self.spread, self.knots, self.coefficients

    def arrays(self) -> Arrays:
        names = ("transform", "centre", "spread", "knots", "coefficients", "means")
        return {"intercept": np.array(self.intercept)} | {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Linear":
        rest: dict[str, Any] = {**arrays, "intercept": float(arrays["intercept"])}
        return cls(**rest)


@dataclass(frozen=True, eq=False)
class Trees:
    """b + Σ of one leaf a tree. All trees' nodes in a row: node i asks whether x[feature_i] ≤ threshold_i, goes on at left_i or
    right_i; a leaf has feature −1. value: at a leaf what it adds, elsewhere the mean of its leaves over the rows it was learnt
    from. share: of these rows, those that come by. root: (t,), first node of each tree."""

    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats
    share: Floats
    root: npt.NDArray[np.int32]
    base: float
    scale: Scale

    @property
    def average(self) -> float:
        return self.base + float(self.value[self.root].sum())

    def margin(self, matrix: Matrix) -> Floats:
        return self.base + tree_margin(matrix, *self._parts())

    def contributions(self, matrix: Matrix) -> Floats:
        """By path: each split's change of the mean goes to its column. Source: Saabas, Interpreting random forests, 2014."""
        found: Floats = tree_contributions(matrix, *self._parts())
        return found

    def _parts(self) -> tuple[Any, ...]:
        return self.feature, self.threshold, self.left, self.right, self.value, self.root

    def arrays(self) -> Arrays:
        names = ("feature", "threshold", "left", "right", "value", "share", "root")
        return {
            "base": np.array(self.base),
            "log_odds": np.array(self.scale == "log_odds"),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Trees":
        rest = {name: array for name, array in arrays.items() if name not in {"base", "log_odds"}}
        return cls(**rest, base=float(arrays["base"]), scale="log_odds" if arrays["log_odds"] else "probability")


@dataclass(frozen=True, eq=False)
class Blend:
    """b + Σ w_i · margin_i of models whose margins are log-odds. weights: (m,)."""

    members: tuple[Model, ...]
    weights: Floats
    base: float
    scale: Scale = "log_odds"

    @property
    def average(self) -> float:
        return self.base + sum(
            float(weight) * member.average for weight, member in zip(self.weights, self.members, strict=True)
        )

    def margin(self, matrix: Matrix) -> Floats:
        total = np.full(len(matrix), self.base)
        for weight, member in zip(self.weights, self.members, strict=True):
            total += weight * member.margin(matrix)
        return total

    def contributions(self, matrix: Matrix) -> Floats:
        total = np.zeros(matrix.shape)
        for weight, member in zip(self.weights, self.members, strict=True):
            total += weight * member.contributions(matrix)
        return total

    def arrays(self) -> Arrays:
        found: Arrays = {"weights": self.weights, "base": np.array(self.base)}
        for place, member in enumerate(self.members):
            found["kind." + str(place)] = np.array(kind_of(member))
            found |= {f"{place}.{name}": array for name, array in member.arrays().items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Blend":
        members = []
        for place in range(len(arrays["weights"])):
            kept = {name.split(".", 1)[1]: array for name, array in arrays.items() if name.startswith(f"{place}.")}
            members.append(model_from(str(arrays[f"kind.{place}"]), kept))
        return cls(tuple(members), arrays["weights"], float(arrays["base"]))


KINDS: dict[str, Any] = {"curve": Curve, "given": Given, "linear": Linear, "trees": Trees, "blend": Blend}


def kind_of(model: Model) -> str:
    return next(name for name, kind in KINDS.items() if isinstance(model, kind))


def model_from(kind: str, arrays: Arrays) -> Model:
    """Errors: ValueError for a kind that is none of KINDS."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    found: Model = KINDS[kind].from_arrays(arrays)
    return found


def _only(column: int, amount: Floats, matrix: Matrix) -> Floats:
    found = np.zeros(matrix.shape)
    found[:, column] = amount
    return found
