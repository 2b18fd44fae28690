"""Conformal intervals: quantiles around a forecast from the errors it made at earlier origins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints

MIN_ERRORS = 100  # per class and bucket; a class with fewer takes the errors of all classes
BUCKETS = 4  # of horizons
PRIOR_ORIGINS, MAX_RELATIVE_ERROR = 2.0, 1.5  # of the difficulty of a series


@dataclass(frozen=True, eq=False)
class ConformalTable:
    """Quantiles of scaled errors.

    quantiles: (classes, buckets, levels). bucket: (h,), the bucket of each horizon. difficulty: (n,), see `measure_difficulty`.
    """

    levels: Floats
    quantiles: Floats
    bucket: Ints
    difficulty: Floats

    def predict(self, center: Floats, spread: Floats, demand_class: Ints) -> Floats:
        """Return the quantiles, (n, h, levels), ascending and at least 0. center, spread: (n, h), of the first n series."""
        shift = self.quantiles[demand_class[:, None], self.bucket[None, : center.shape[1]]]
        unit = spread * self.difficulty[: len(spread), None]
        return np.maximum(center[..., None] + unit[..., None] * shift, 0)


def compute_spread(mean: Floats, scale: Floats) -> Floats:
    """Return the unit in which errors are compared, (n, h): mean + scale ÷ 2.

    Args:
        mean: (n, h), expected demand. scale: (n,), mean absolute seasonal change (`compute_scale`), NaN if unknown.
    Errors grow with the expected demand of a period, and do not vanish with it.
    """
    unit = np.where(np.isfinite(scale) & (scale > 0), scale, np.maximum(mean.mean(axis=1), 1e-9))[:, None]
    return np.asarray(mean + unit / 2)


def measure_difficulty(
    errors: Sequence[Floats], usable: Sequence[Flags], origins: Sequence[int], horizon: int, target: int | None = None
) -> Floats:
    """Return how large the errors of each series are, compared with those of all, (n,).

    Args:
        errors, usable: per origin (n, h) and (n,). origins: periods. target: the origin whose errors will be divided by the difficulty;
            origins whose horizon overlaps its own add no information and are left out. None for a forecast after all origins.
    difficulty = (2 + Σ_o min(e_o ÷ ē, 1.5)) ÷ (2 + number of origins), e_o = mean |error| of the series at origin o, ē = mean e of all:
    the errors of normalized conformal prediction (Papadopoulos, Gammerman & Vovk 2008; Lei et al. 2018, section 5.2), shrunk to 1.
    """
    total, count = (np.full(len(errors[0]), PRIOR_ORIGINS) for _ in range(2))
    for part, known, origin in zip(errors, usable, origins, strict=True):
        if target is not None and abs(origin - target) < horizon:
            continue
        size = np.abs(part).mean(axis=1)
        has_error = known & np.isfinite(size)
        if has_error.any():
            relative = size[has_error] / max(float(size[has_error].mean()), 1e-9)
            total[has_error] += np.minimum(relative, MAX_RELATIVE_ERROR)
            count[has_error] += 1
    return np.asarray(total / count)


def fit_conformal(
    errors: Sequence[Floats],
    classes: Sequence[Ints],
    usable: Sequence[Flags],
    levels: Floats,
    n_classes: int,
    *,
    origins: Sequence[int] = (),
    horizon: int = 0,
) -> ConformalTable:
    """Return the table from the scaled errors of several origins.

    Args:
        errors: per origin (n, h), (actual − center) ÷ spread. classes, usable: per origin (n,). origins, horizon: periods; without them, all
            series are equally difficult.
    Split conformal prediction by group (Vovk, Gammerman & Shafer 2005; Romano, Patterson & Candès 2019): the quantile of level τ is the
    ⌈(k + 1) τ⌉-th smallest of the k errors of the class and bucket, for τ < ½ the ⌊(k + 1) τ⌋-th.
    """
    difficulty = np.ones(len(errors[0]))
    if origins:
        difficulty = measure_difficulty(errors, usable, origins, horizon)
        errors = [
            part / measure_difficulty(errors, usable, origins, horizon, target=origin)[:, None]
            for part, origin in zip(errors, origins, strict=True)
        ]
    n_steps = errors[0].shape[1]
    bucket = np.arange(n_steps) * min(BUCKETS, n_steps) // n_steps
    scores = np.concatenate([part[known] for part, known in zip(errors, usable, strict=True)])
    codes = np.concatenate([part[known] for part, known in zip(classes, usable, strict=True)])
    table = np.zeros((n_classes, bucket[-1] + 1, len(levels)))
    for column in range(table.shape[1]):
        inside = scores[:, bucket == column]
        everything = take_quantiles(inside.ravel(), levels)
        for code in range(n_classes):
            own = inside[codes == code].ravel()
            table[code, column] = take_quantiles(own, levels) if len(own) >= MIN_ERRORS else everything
    return ConformalTable(levels, table, bucket, difficulty)


def take_quantiles(scores: Floats, levels: Floats) -> Floats:
    """Return the conformal quantiles of scores, in the order of the levels; zeros without scores."""
    known = np.sort(scores[np.isfinite(scores)])
    count = len(known)
    if not count:
        return np.zeros(len(levels))
    rank = np.where(levels > 0.5, np.ceil((count + 1) * levels), np.floor((count + 1) * levels))
    rank = np.where(levels == 0.5, np.round((count + 1) / 2), rank).astype(np.int64) - 1
    return known[rank.clip(0, count - 1)]
