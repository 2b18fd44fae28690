"""Features on one scale: skewed ones bent straight, outliers held, what is missing put in the middle, what says nothing left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import boxcox1p, inv_boxcox1p

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import BLOCK, Points, in_threads

FARTHEST = 3.0  # standard deviations; what lies beyond is held there
COLLINEAR = 0.95  # of the absolute correlation, from here on a feature repeats an earlier one
POWERS = (-3.0, 3.0)
FIT_ROWS = 100_000
POWER_ROWS = 20_000

DROPPED: tuple[str, ...] = ("all_missing", "constant", "collinear")


@dataclass(frozen=True)
class Dropped:
    """A feature that does not take part. reason: one of DROPPED; of: the feature that a collinear one repeats, else empty."""

    feature: str
    reason: str
    of: str = ""


@dataclass(frozen=True, eq=False)
class Scaling:
    """How d features are put on one scale; arrays have shape (d,).

    unit: what raw values are divided by, the median of the absolute values that are not 0, so that cents and whole units give the
    same answer. power: λ of Yeo-Johnson (0 is log1p, 1 leaves as it is). mean, deviation: of the bent values.
    """

    features: tuple[str, ...]
    unit: Floats
    power: Floats
    mean: Floats
    deviation: Floats
    dropped: tuple[Dropped, ...] = ()


def yeo_johnson(value: Floats, power: Floats | float) -> Floats:
    """((1+x)^λ − 1)/λ for x ≥ 0, else −((1−x)^(2−λ) − 1)/(2−λ); logarithms at λ = 0 and 2. Source: Yeo & Johnson, Biometrika 2000."""
    if not (value < 0).any():
        straight: Floats = boxcox1p(value, power)
        return straight
    size = np.abs(value)
    bent: Floats = np.where(value >= 0, boxcox1p(size, power), -boxcox1p(size, 2.0 - np.asarray(power)))
    return bent


def unbent(value: Floats, power: Floats | float) -> Floats:
    """The inverse of `yeo_johnson`; what no x can reach is taken as the farthest that one can."""
    power = np.asarray(power)
    side = np.where(value >= 0, power, 2.0 - power)
    size = np.abs(value)
    limit = np.where(side < 0, -(1.0 - 1e-9) / np.where(side < 0, side, -1.0), np.inf)
    raw: Floats = np.sign(value) * inv_boxcox1p(np.minimum(size, limit), side)
    return raw


def fit_scaling(*, features: npt.NDArray[np.floating], names: Sequence[str], rows: npt.NDArray[np.int64]) -> Scaling:
    """Learns the scale from some rows. features: shape (n, d), NaN is missing. names: d of them. rows: a sample of 0…n−1.

    λ maximises the likelihood −n/2 · ln var + (λ−1) · Σ sign(x) ln(1+|x|) within −3…3. Features without a value, with one value
    only, or correlated above 0.95 with an earlier one are dropped, each with its reason.
    Errors: ValueError for infinite values, or names that are repeated or not as many as columns.
    """
    require_features(features, names)
    sample = features[rows].astype(np.float64)
    kept: list[int] = []
    columns: list[tuple[float, float, float, float]] = []
    dropped: list[Dropped] = []
    scaled: list[Floats] = []
    for place, name in enumerate(names):
        value = sample[:, place]
        known = value[~np.isnan(value)]
        if not len(known):
            dropped.append(Dropped(name, "all_missing"))
            continue
        column = _fit_column(known)
        if column is None:
            dropped.append(Dropped(name, "constant"))
            continue
        z = _scaled_column(value, *column)
        twin = next((k for k, other in zip(kept, scaled, strict=True) if _correlation(z, other) > COLLINEAR), None)
        if twin is not None:
            dropped.append(Dropped(name, "collinear", names[twin]))
            continue
        kept.append(place)
        columns.append(column)
        scaled.append(z)
    unit, power, mean, deviation = np.array(columns, np.float64).reshape(-1, 4).T
    return Scaling(tuple(names[k] for k in kept), unit, power, mean, deviation, tuple(dropped))


def scaled(*, features: npt.NDArray[np.floating], names: Sequence[str], scaling: Scaling) -> Points:
    """float32 (n, d): the scaling's features of each row in standard deviations, held within ±3, 0 where missing.

    Columns are found by name; more of them than the scaling knows do no harm.
    Errors: ValueError for infinite values or a feature that is not among the names.
    """
    require_features(features, names)
    missing = [feature for feature in scaling.features if feature not in names]
    if missing:
        raise ValueError(f"features lacks {missing[0]!r}, which the clusters were made with; it has {list(names)}")
    columns = [list(names).index(feature) for feature in scaling.features]
    points = np.empty((len(features), len(columns)), np.float32)

    def work(place: int) -> None:
        rows = slice(place * BLOCK, (place + 1) * BLOCK)
        block = features[rows][:, columns].astype(np.float64)
        points[rows] = _scaled_column(block, scaling.unit, scaling.power, scaling.mean, scaling.deviation)

    in_threads(work, -(-len(features) // BLOCK))
    return points


def raw_values(*, points: npt.NDArray[np.floating], scaling: Scaling) -> Floats:
    """Back from standard deviations to the units of the features, shape (k, d)."""
    bent = points.astype(np.float64) * scaling.deviation + scaling.mean
    return unbent(bent, scaling.power) * scaling.unit


def require_features(features: npt.NDArray[np.floating], names: Sequence[str]) -> None:
    if features.ndim != 2 or features.shape[1] != len(names):
        raise ValueError(f"features has shape {features.shape}; give one column for each of the {len(names)} names")
    if len(set(names)) != len(names):
        raise ValueError(f"names repeats one: {list(names)}")
    for start in range(0, len(features), BLOCK):
        infinite = np.isinf(features[start : start + BLOCK])
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise ValueError(
                f"features[{start + row}] has an infinite {names[column]!r}; give a number, or NaN for missing"
            )


def _fit_column(known: Floats) -> tuple[float, float, float, float] | None:
    """unit, power, mean, deviation; None when all values are the same."""
    sizes = np.abs(known[known != 0])
    if known.min() == known.max() or not len(sizes):
        return None
    unit = float(np.median(sizes))
    value = known / unit
    power = _power_of(value[:: max(1, len(value) // POWER_ROWS)])
    bent = yeo_johnson(value, power)
    deviation = float(bent.std())
    if not deviation > 1e-12 * max(1.0, float(np.abs(bent).max())):
        return None
    return unit, power, float(bent.mean()), deviation


def _power_of(value: Floats) -> float:
    if value.min() == value.max():
        return 1.0
    lean = float((np.sign(value) * np.log1p(np.abs(value))).sum())

    def cost(power: float) -> float:
        spread = float(yeo_johnson(value, power).var())
        return 0.5 * len(value) * float(np.log(max(spread, 1e-300))) - (power - 1.0) * lean

    search: Callable[..., object] = minimize_scalar
    found = search(cost, bounds=POWERS, method="bounded", options={"xatol": 1e-3})
    return float(found.x)  # type: ignore[attr-defined]


def _scaled_column(
    value: Floats, unit: Floats | float, power: Floats | float, mean: Floats | float, deviation: Floats | float
) -> Floats:
    z = np.clip((yeo_johnson(value / unit, power) - mean) / deviation, -FARTHEST, FARTHEST)
    return np.nan_to_num(z, copy=False, nan=0.0)


def _correlation(one: Floats, other: Floats) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return abs(float(one @ other)) / size if size > 0 else 0.0
