"""Conformal intervals: quantiles around a forecast from the errors it made at earlier origins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints

MIN_ERRORS = 100  # per class and bucket; a class with fewer takes the errors of all classes, then of all buckets
MIN_LEVEL_ERRORS = 9  # per level; fewer cannot give an interval of 80%, so that a level takes the errors of all levels
PRODUCT, CATEGORY, SHOP = LEVELS_OF_SERIES = range(3)  # sums have smaller relative errors than their parts
BUCKETS = 4  # of horizons
PRIOR_ORIGINS, MAX_RELATIVE_ERROR = 2.0, 1.5  # of the difficulty of a series


@dataclass(frozen=True, eq=False)
class ConformalTable:
    """Quantiles of scaled errors.

    quantiles: (levels of series, classes, buckets, levels). bucket: (h,), the bucket of each horizon. difficulty: (n,), see
    `measure_difficulty`. series_level: (n,), of `LEVELS_OF_SERIES`.
    """

    levels: Floats
    quantiles: Floats
    bucket: Ints
    difficulty: Floats
    series_level: Ints

    def predict(self, center: Floats, spread: Floats, demand_class: Ints) -> Floats:
        """Return the quantiles, (n, h, levels), ascending and at least 0. center, spread: (n, h), of the first n series."""
        level = self.series_level[: len(spread), None]
        shift = self.quantiles[level, demand_class[:, None], self.bucket[None, : center.shape[1]]]
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
    errors: Sequence[Floats],
    usable: Sequence[Flags],
    origins: Sequence[int],
    horizon: int,
    target: int | None = None,
    *,
    series_level: Ints | None = None,
) -> Floats:
    """Return how large the errors of each series are, compared with those of all series of its level, (n,).

    Args:
        errors, usable: per origin (n, h) and (n,). origins: periods. target: the origin whose errors will be divided by the difficulty;
            origins whose horizon overlaps its own add no information and are left out. None for a forecast after all origins. series_level:
            (n,), all the same by default.
    difficulty = (2 + Σ_o min(e_o ÷ ē, 1.5)) ÷ (2 + number of origins), e_o = mean |error| of the series at origin o, ē = its mean:
    the errors of normalized conformal prediction (Papadopoulos, Gammerman & Vovk 2008; Lei et al. 2018, section 5.2), shrunk to 1.
    """
    total, count = (np.full(len(errors[0]), PRIOR_ORIGINS) for _ in range(2))
    level = np.zeros(len(total), np.int64) if series_level is None else series_level
    for part, known, origin in zip(errors, usable, origins, strict=True):
        if target is not None and abs(origin - target) < horizon:
            continue
        size = np.abs(part).mean(axis=1)
        has_error = known & np.isfinite(size)
        own = level[has_error]
        mean = np.bincount(own, size[has_error]) / np.maximum(np.bincount(own), 1)
        total[has_error] += np.minimum(size[has_error] / np.maximum(mean[own], 1e-9), MAX_RELATIVE_ERROR)
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
    series_level: Ints | None = None,
) -> ConformalTable:
    """Return the table from the scaled errors of several origins.

    Args:
        errors: per origin (n, h), (actual − center) ÷ spread. classes, usable: per origin (n,). origins, horizon: periods; without them, all
            series are equally difficult. series_level: (n,), of `LEVELS_OF_SERIES`, by default products.
    Split conformal prediction by group (Vovk, Gammerman & Shafer 2005; Romano, Patterson & Candès 2019): the quantile of level τ is the
    ⌈(k + 1) τ⌉-th smallest of the k errors of the level, class and bucket, for τ < ½ the ⌊(k + 1) τ⌋-th.
    """
    difficulty = np.ones(len(errors[0]))
    level = np.full(len(difficulty), PRODUCT, np.int64) if series_level is None else series_level
    if origins:
        difficulty = measure_difficulty(errors, usable, origins, horizon, series_level=level)
        errors = [
            part / measure_difficulty(errors, usable, origins, horizon, target=origin, series_level=level)[:, None]
            for part, origin in zip(errors, origins, strict=True)
        ]
    n_steps = errors[0].shape[1]
    bucket = np.arange(n_steps) * min(BUCKETS, n_steps) // n_steps
    scores = np.concatenate([part[known] for part, known in zip(errors, usable, strict=True)])
    codes = np.concatenate([part[known] for part, known in zip(classes, usable, strict=True)])
    own_levels = np.concatenate([level[known] for known in usable])
    table = np.zeros((len(LEVELS_OF_SERIES), n_classes, bucket[-1] + 1, len(levels)))
    for key in LEVELS_OF_SERIES:
        is_own = own_levels == key
        of_level = scores[is_own] if np.isfinite(scores[is_own]).sum() >= MIN_LEVEL_ERRORS else scores
        for column in range(table.shape[2]):
            inside = of_level[:, bucket == column]
            everything = take_quantiles(inside if np.isfinite(inside).sum() >= MIN_ERRORS else of_level, levels)
            for code in range(n_classes):
                own = scores[is_own & (codes == code)][:, bucket == column]
                table[key, code, column] = take_quantiles(own, levels) if own.size >= MIN_ERRORS else everything
    return ConformalTable(levels, table, bucket, difficulty, level)


def take_quantiles(scores: Floats, levels: Floats) -> Floats:
    """Return the conformal quantiles of scores of any shape, in the order of the levels; zeros without scores."""
    known = np.sort(scores[np.isfinite(scores)])
    count = len(known)
    if not count:
        return np.zeros(len(levels))
    rank = np.where(levels > 0.5, np.ceil((count + 1) * levels), np.floor((count + 1) * levels))
    rank = np.where(levels == 0.5, np.round((count + 1) / 2), rank).astype(np.int64) - 1
    return known[rank.clip(0, count - 1)]
