"""Conformal intervals: quantiles around a forecast from the errors it made at earlier origins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints

MIN_ERRORS = 100  # of a class at a horizon; fewer take those of all classes
BUCKETS = 4  # of horizons


@dataclass(frozen=True, eq=False)
class ConformalTable:
    """Quantiles of scaled errors. quantiles: (classes, buckets, levels); bucket: (h,), the bucket of each horizon."""

    levels: Floats
    quantiles: Floats
    bucket: Ints

    def predict(self, center: Floats, spread: Floats, demand_class: Ints) -> Floats:
        """Return the quantiles, (n, h, levels), ascending and at least 0. center, spread: (n, h)."""
        shift = self.quantiles[demand_class[:, None], self.bucket[None, : center.shape[1]]]
        return np.maximum(center[..., None] + spread[..., None] * shift, 0)


def compute_spread(mean: Floats, scale: Floats) -> Floats:
    """Return the unit in which errors are compared, (n, h): mean + scale ÷ 2.

    Args:
        mean: (n, h), expected demand. scale: (n,), mean absolute seasonal change (`compute_scale`), NaN if unknown.
    Errors grow with the expected demand of a period, and do not vanish with it.
    """
    unit = np.where(np.isfinite(scale) & (scale > 0), scale, np.maximum(mean.mean(axis=1), 1e-9))[:, None]
    return np.asarray(mean + unit / 2)


def fit_conformal(
    errors: Sequence[Floats], classes: Sequence[Ints], usable: Sequence[Flags], levels: Floats, n_classes: int
) -> ConformalTable:
    """Return the table from the scaled errors of several origins.

    Args:
        errors: per origin (n, h), (actual − center) ÷ spread. classes, usable: per origin (n,).
    Split conformal prediction by group (Vovk, Gammerman & Shafer 2005; Romano, Patterson & Candès 2019): the quantile of level τ is the
    ⌈(k + 1) τ⌉-th smallest of the k errors of the class and bucket, for τ < ½ the ⌊(k + 1) τ⌋-th.
    """
    horizon = errors[0].shape[1]
    bucket = np.arange(horizon) * min(BUCKETS, horizon) // horizon
    scores = np.concatenate([part[known] for part, known in zip(errors, usable, strict=True)])
    codes = np.concatenate([part[known] for part, known in zip(classes, usable, strict=True)])
    table = np.zeros((n_classes, bucket[-1] + 1, len(levels)))
    for column in range(table.shape[1]):
        inside = scores[:, bucket == column]
        everything = take_quantiles(inside.ravel(), levels)
        for code in range(n_classes):
            own = inside[codes == code].ravel()
            table[code, column] = take_quantiles(own, levels) if len(own) >= MIN_ERRORS else everything
    return ConformalTable(levels, table, bucket)


def take_quantiles(scores: Floats, levels: Floats) -> Floats:
    """Return the conformal quantiles of scores, in the order of the levels; zeros without scores."""
    known = np.sort(scores[np.isfinite(scores)])
    count = len(known)
    if not count:
        return np.zeros(len(levels))
    rank = np.where(levels > 0.5, np.ceil((count + 1) * levels), np.floor((count + 1) * levels))
    rank = np.where(levels == 0.5, np.round((count + 1) / 2), rank).astype(np.int64) - 1
    return known[rank.clip(0, count - 1)]
