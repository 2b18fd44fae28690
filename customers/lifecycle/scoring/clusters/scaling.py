"""Puts features on one scale.

It corrects skew, clips outliers, centers missing values and drops uninformative features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import boxcox1p, inv_boxcox1p

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import BLOCK_ROWS, Points, run_in_threads

MAX_DEVIATIONS = 3.0  # standard deviations; values beyond are clipped
MAX_CORRELATION = 0.95  # absolute correlation from which a feature repeats an earlier one
POWER_BOUNDS = (-3.0, 3.0)
FIT_ROWS = 100_000
POWER_ROWS = 20_000

DROP_REASONS: tuple[str, ...] = ("all_missing", "constant", "collinear")


@dataclass(frozen=True)
class DroppedFeature:
    """A feature that is left out.

    reason: one of DROP_REASONS; of: the feature that a collinear one repeats, else empty.
    """

    feature: str
    reason: str
    of: str = ""


@dataclass(frozen=True, eq=False)
class FeatureScaling:
    """The scaling of d features; arrays have shape (d,).

    unit: what raw values are divided by, the median of the non-zero absolute values, so that cents and whole units give the same
    result. power: λ of Yeo-Johnson (0 is log1p, 1 the identity). mean, deviation: of the transformed values.
    """

    features: tuple[str, ...]
    unit: Floats
    power: Floats
    mean: Floats
    deviation: Floats
    dropped: tuple[DroppedFeature, ...] = ()


def yeo_johnson(value: Floats, power: Floats | float) -> Floats:
    """Return ((1+x)^λ − 1)/λ for x ≥ 0, else −((1−x)^(2−λ) − 1)/(2−λ).

    Logarithms at λ = 0 and 2. Source: Yeo & Johnson, Biometrika 2000.
    """
    if not (value < 0).any():
        positive: Floats = boxcox1p(value, power)
        return positive
    size = np.abs(value)
    transformed: Floats = np.where(value >= 0, boxcox1p(size, power), -boxcox1p(size, 2.0 - np.asarray(power)))
    return transformed


def invert_yeo_johnson(value: Floats, power: Floats | float) -> Floats:
    """Return the inverse of `yeo_johnson`.

    Values that no x can reach are clipped to the farthest reachable one.
    """
    power = np.asarray(power)
    side_power = np.where(value >= 0, power, 2.0 - power)
    size = np.abs(value)
    # For a negative power the transform is bounded by −1 / power.
    limit = np.where(side_power < 0, -(1.0 - 1e-9) / np.where(side_power < 0, side_power, -1.0), np.inf)
    raw: Floats = np.sign(value) * inv_boxcox1p(np.minimum(size, limit), side_power)
    return raw


def fit_scaling(
    *, features: npt.NDArray[np.floating], names: Sequence[str], rows: npt.NDArray[np.int64]
) -> FeatureScaling:
    """Fit the scaling to a sample of rows.

    features: shape (n, d), NaN is missing. names: of the d features. rows: a sample of 0…n−1.
    λ maximizes the likelihood −n/2 · ln var + (λ−1) · Σ sign(x) ln(1+|x|) within −3…3. Features without a value, with one value
    only, or correlated above 0.95 with an earlier one are dropped, each with its reason.
    Errors: ValueError for infinite values, repeated names, or another number of names than columns.
    """
    check_features(features, names)
    sample = features[rows].astype(np.float64)
    used_columns: list[int] = []
    columns: list[tuple[float, float, float, float]] = []
    dropped: list[DroppedFeature] = []
    scaled: list[Floats] = []
    for index, name in enumerate(names):
        value = sample[:, index]
        known = value[~np.isnan(value)]
        if not len(known):
            dropped.append(DroppedFeature(name, "all_missing"))
            continue
        column = _fit_column(known)
        if column is None:
            dropped.append(DroppedFeature(name, "constant"))
            continue
        z = _scale_column(value, *column)
        twin = next(
            (
                k
                for k, other in zip(used_columns, scaled, strict=True)
                if _compute_absolute_correlation(z, other) > MAX_CORRELATION
            ),
            None,
        )
        if twin is not None:
            dropped.append(DroppedFeature(name, "collinear", names[twin]))
            continue
        used_columns.append(index)
        columns.append(column)
        scaled.append(z)
    unit, power, mean, deviation = np.array(columns, np.float64).reshape(-1, 4).T
    return FeatureScaling(tuple(names[k] for k in used_columns), unit, power, mean, deviation, tuple(dropped))


def scale_features(*, features: npt.NDArray[np.floating], names: Sequence[str], scaling: FeatureScaling) -> Points:
    """Return the scaled features, float32 (n, d), in standard deviations.

    They are clipped to ±3, and 0 where missing.
    Columns are found by name; additional columns are ignored.
    Errors: ValueError for infinite values or a feature that is not among the names.
    """
    check_features(features, names)
    missing = [feature for feature in scaling.features if feature not in names]
    if missing:
        raise ValueError(
            f"features has no column {missing[0]!r}, which the clusters were fitted with; it has {list(names)}"
        )
    columns = [list(names).index(feature) for feature in scaling.features]
    points = np.empty((len(features), len(columns)), np.float32)

    def scale_block(block_index: int) -> None:
        rows = slice(block_index * BLOCK_ROWS, (block_index + 1) * BLOCK_ROWS)
        block = features[rows][:, columns].astype(np.float64)
        points[rows] = _scale_column(block, scaling.unit, scaling.power, scaling.mean, scaling.deviation)

    run_in_threads(scale_block, -(-len(features) // BLOCK_ROWS))
    return points


def unscale_points(*, points: npt.NDArray[np.floating], scaling: FeatureScaling) -> Floats:
    """Convert standard deviations back to the units of the features, shape (k, d)."""
    transformed = points.astype(np.float64) * scaling.deviation + scaling.mean
    return invert_yeo_johnson(transformed, scaling.power) * scaling.unit


def check_features(features: npt.NDArray[np.floating], names: Sequence[str]) -> None:
    """Raise ValueError for a wrong shape, repeated names or infinite values."""
    if features.ndim != 2 or features.shape[1] != len(names):
        raise ValueError(f"features has shape {features.shape}; pass one column for each of the {len(names)} names")
    if len(set(names)) != len(names):
        raise ValueError(f"names must be unique, got {list(names)}")
    for start in range(0, len(features), BLOCK_ROWS):
        infinite = np.isinf(features[start : start + BLOCK_ROWS])
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise ValueError(
                f"features[{start + row}] has an infinite {names[column]!r}; pass a number, or NaN for missing"
            )


def _fit_column(known: Floats) -> tuple[float, float, float, float] | None:
    """Return unit, power, mean and deviation; None when all values are the same."""
    sizes = np.abs(known[known != 0])
    if known.min() == known.max() or not len(sizes):
        return None
    unit = float(np.median(sizes))
    value = known / unit
    power = _fit_power(value[:: max(1, len(value) // POWER_ROWS)])
    transformed = yeo_johnson(value, power)
    deviation = float(transformed.std())
    # Values that differ by rounding errors only would become ±1 deviation.
    if not deviation > 1e-12 * max(1.0, float(np.abs(transformed).max())):
        return None
    return unit, power, float(transformed.mean()), deviation


def _fit_power(value: Floats) -> float:
    """Return the λ with the highest likelihood."""
    if value.min() == value.max():
        return 1.0
    log_sum = float((np.sign(value) * np.log1p(np.abs(value))).sum())

    def compute_cost(power: float) -> float:
        variance = float(yeo_johnson(value, power).var())
        return 0.5 * len(value) * float(np.log(max(variance, 1e-300))) - (power - 1.0) * log_sum

    search: Callable[..., object] = minimize_scalar
    optimum = search(compute_cost, bounds=POWER_BOUNDS, method="bounded", options={"xatol": 1e-3})
    return float(optimum.x)  # type: ignore[attr-defined]


def _scale_column(
    value: Floats, unit: Floats | float, power: Floats | float, mean: Floats | float, deviation: Floats | float
) -> Floats:
    """Return transformed, standardized and clipped values, 0 for NaN."""
    z = np.clip((yeo_johnson(value / unit, power) - mean) / deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS)
    return np.nan_to_num(z, copy=False, nan=0.0)


def _compute_absolute_correlation(first: Floats, second: Floats) -> float:
    """Return |Pearson's r|, 0 where one of the two does not vary."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return abs(float(first @ second)) / size if size > 0 else 0.0
