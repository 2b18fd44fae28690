"""Models stored as arrays.

Each predicts a margin for a feature matrix and the exact contribution of every column.
The margin is a log-odds or a probability (`scale`). For all: margin = average + Σ of contributions, `average` being the mean
margin over the training rows, or for trees the mean of their leaves over those rows. Scoring needs no scikit-learn, so a model is
stored as arrays and JSON and is loaded without running code.
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
    compute_linear_contributions,
    compute_linear_margin,
    compute_tree_contributions,
    compute_tree_margin,
)

type Scale = Literal["log_odds", "probability"]
type Arrays = dict[str, npt.NDArray[Any]]

MIN_PROBABILITY = 1e-6
TRANSFORMS = (PLAIN, SIGNED_LOG, LOGIT)


class ArrayModel(Protocol):
    """average: margin of the average customer. scale: the unit of the margin."""

    @property
    def scale(self) -> Scale: ...

    @property
    def average(self) -> float: ...

    def predict_margin(self, matrix: Matrix) -> Floats:
        """Return the margin, (n,), of a matrix (n, k)."""

    def compute_contributions(self, matrix: Matrix) -> Floats:
        """Return (n, k): what each column adds to `average`."""

    def to_arrays(self) -> Arrays:
        """Return everything that has to be stored."""


def predict_probability(model: ArrayModel, matrix: Matrix) -> Floats:
    """Return the uncalibrated probability, (n,), at least 1e-6 away from 0 and 1."""
    margin = model.predict_margin(matrix)
    probability = expit(margin) if model.scale == "log_odds" else margin
    return np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY)


def to_log_odds(probability: Floats) -> Floats:
    """Return the log-odds, clipped to finite values."""
    log_odds: Floats = logit(np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    return log_odds


@dataclass(frozen=True, eq=False)
class CurveModel:
    """One column's value → probability.

    It is linear between the points (x, y) and constant beyond them. Shape of x, y: (p,).
    """

    column: int
    x: Floats
    y: Floats
    mean: float
    scale: Scale = "probability"

    @property
    def average(self) -> float:
        return self.mean

    def predict_margin(self, matrix: Matrix) -> Floats:
        return np.interp(matrix[:, self.column].astype(np.float64), self.x, self.y)

    def compute_contributions(self, matrix: Matrix) -> Floats:
        return _fill_column(self.column, self.predict_margin(matrix) - self.mean, matrix)

    def to_arrays(self) -> Arrays:
        return {"column": np.array(self.column), "x": self.x, "y": self.y, "mean": np.array(self.mean)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "CurveModel":
        return cls(int(arrays["column"]), arrays["x"], arrays["y"], float(arrays["mean"]))


@dataclass(frozen=True, eq=False)
class ProbabilityColumnModel:
    """A column that is already a probability, such as the purchase model's; its log-odds."""

    column: int
    mean: float
    scale: Scale = "log_odds"

    @property
    def average(self) -> float:
        return self.mean

    def predict_margin(self, matrix: Matrix) -> Floats:
        return to_log_odds(matrix[:, self.column].astype(np.float64))

    def compute_contributions(self, matrix: Matrix) -> Floats:
        return _fill_column(self.column, self.predict_margin(matrix) - self.mean, matrix)

    def to_arrays(self) -> Arrays:
        return {"column": np.array(self.column), "mean": np.array(self.mean)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ProbabilityColumnModel":
        return cls(int(arrays["column"]), float(arrays["mean"]))


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear model of transformed columns.

    b + Σ_j [c_j0 z_j + Σ_m c_jm max(0, z_j − knot_jm)], z_j = (t_j(x_j) − center_j) / spread_j, clipped to ±5.
    transform: (k,), codes of t: identity, sign(x) · ln(1 + |x|), log-odds. center, spread: (k,). coefficients: (k, 1 + m).
    knots: (k, m); m = 0 is plain logistic regression. means: (k,), mean of each column's term; average = b + Σ means.
    """

    transform: Ints
    center: Floats
    spread: Floats
    knots: Floats
    coefficients: Floats
    intercept: float
    means: Floats
    scale: Scale = "log_odds"

    @property
    def average(self) -> float:
        return self.intercept + float(self.means.sum())

    def predict_margin(self, matrix: Matrix) -> Floats:
        return self.intercept + compute_linear_margin(matrix, *self._list_kernel_arguments())

    def compute_contributions(self, matrix: Matrix) -> Floats:
        contributions: Floats = compute_linear_contributions(matrix, *self._list_kernel_arguments()) - self.means
        return contributions

    def _list_kernel_arguments(self) -> tuple[Ints, Floats, Floats, Floats, Floats]:
        return self.transform, self.center, self.spread, self.knots, self.coefficients

    def to_arrays(self) -> Arrays:
        names = ("transform", "center", "spread", "knots", "coefficients", "means")
        return {"intercept": np.array(self.intercept)} | {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "LinearModel":
        rest: dict[str, Any] = {**arrays, "intercept": float(arrays["intercept"])}
        return cls(**rest)


@dataclass(frozen=True, eq=False)
class TreeModel:
    """b + Σ of one leaf per tree, the nodes of all trees concatenated.

    Node i tests x[feature_i] ≤ threshold_i and continues at left_i or right_i; a leaf has feature −1. value: a leaf's addend, else the
    mean of its leaves over the training rows. share: of these rows, those that reach the node. root: (t,), first node of each tree.
    """

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

    def predict_margin(self, matrix: Matrix) -> Floats:
        return self.base + compute_tree_margin(matrix, *self._list_kernel_arguments())

    def compute_contributions(self, matrix: Matrix) -> Floats:
        """Return the contributions along each path: a split's change of the mean goes to its column.

        Source: Saabas, Interpreting random forests, 2014.
        """
        contributions: Floats = compute_tree_contributions(matrix, *self._list_kernel_arguments())
        return contributions

    def _list_kernel_arguments(self) -> tuple[Any, ...]:
        return self.feature, self.threshold, self.left, self.right, self.value, self.root

    def to_arrays(self) -> Arrays:
        names = ("feature", "threshold", "left", "right", "value", "share", "root")
        return {
            "base": np.array(self.base),
            "log_odds": np.array(self.scale == "log_odds"),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "TreeModel":
        rest = {name: array for name, array in arrays.items() if name not in {"base", "log_odds"}}
        return cls(**rest, base=float(arrays["base"]), scale="log_odds" if arrays["log_odds"] else "probability")


@dataclass(frozen=True, eq=False)
class LogOddsEnsemble:
    """b + Σ w_i · margin_i of models whose margins are log-odds. weights: (m,)."""

    members: tuple[ArrayModel, ...]
    weights: Floats
    base: float
    scale: Scale = "log_odds"

    @property
    def average(self) -> float:
        return self.base + sum(
            float(weight) * member.average for weight, member in zip(self.weights, self.members, strict=True)
        )

    def predict_margin(self, matrix: Matrix) -> Floats:
        total = np.full(len(matrix), self.base)
        for weight, member in zip(self.weights, self.members, strict=True):
            total += weight * member.predict_margin(matrix)
        return total

    def compute_contributions(self, matrix: Matrix) -> Floats:
        total = np.zeros(matrix.shape)
        for weight, member in zip(self.weights, self.members, strict=True):
            total += weight * member.compute_contributions(matrix)
        return total

    def to_arrays(self) -> Arrays:
        arrays: Arrays = {"weights": self.weights, "base": np.array(self.base)}
        for index, member in enumerate(self.members):
            arrays["kind." + str(index)] = np.array(find_model_type(member))
            arrays |= {f"{index}.{name}": array for name, array in member.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "LogOddsEnsemble":
        members = []
        for index in range(len(arrays["weights"])):
            member_arrays = {
                name.split(".", 1)[1]: array for name, array in arrays.items() if name.startswith(f"{index}.")
            }
            members.append(build_model(str(arrays[f"kind.{index}"]), member_arrays))
        return cls(tuple(members), arrays["weights"], float(arrays["base"]))


MODEL_TYPES: dict[str, Any] = {
    "curve": CurveModel,
    "probability_column": ProbabilityColumnModel,
    "linear": LinearModel,
    "trees": TreeModel,
    "ensemble": LogOddsEnsemble,
}


def find_model_type(model: ArrayModel) -> str:
    """Return the name of a model's type in MODEL_TYPES."""
    return next(name for name, model_type in MODEL_TYPES.items() if isinstance(model, model_type))


def build_model(kind: str, arrays: Arrays) -> ArrayModel:
    """Rebuild a model from its arrays. Errors: ValueError for an unknown type."""
    if kind not in MODEL_TYPES:
        raise ValueError(f"kind must be one of {', '.join(MODEL_TYPES)}, got {kind!r}")
    model: ArrayModel = MODEL_TYPES[kind].from_arrays(arrays)
    return model


def _fill_column(column: int, amount: Floats, matrix: Matrix) -> Floats:
    """Return zeros with one column filled."""
    filled = np.zeros(matrix.shape)
    filled[:, column] = amount
    return filled
