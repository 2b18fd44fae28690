"""Weights of interactions: age decay, saturation, and inverse frequency."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.linear_algebra.sparse import replace_data, scale_columns

DAY = 86_400.0
ENTRYWISE = ("raw", "binary", "log")
WEIGHTINGS = ("raw", "binary", "log", "tf-idf", "bm25")


def decay_weights(
    weight: npt.NDArray[np.floating], order: npt.NDArray[np.float64], as_of: float, half_life_days: float | None
) -> npt.NDArray[np.float32]:
    """Return weight · 2^(−age / half-life), age = as_of − order in days, never below 0. None: unchanged."""
    if half_life_days is None:
        return weight
    if not half_life_days > 0:
        raise ValueError(f"half_life_days must be greater than 0, got {half_life_days}")
    age_days = np.maximum(as_of - order, 0.0) / DAY
    return (weight * np.exp2(-age_days / half_life_days)).astype(np.float32)


def compute_trend(
    item: npt.NDArray[np.integer],
    weight: npt.NDArray[np.floating],
    order: npt.NDArray[np.float64],
    *,
    counts: npt.NDArray[np.floating],
    smoothing: float,
    half_life_days: float,
) -> npt.NDArray[np.float64]:
    """Return the recent share of each item relative to the mean: (l + s m) / (c + s) / m, above 1 for items that sell more than before.

    item, weight, order: of each interaction. counts: c, the summed weight of each item, (items,). l is the weight under the half-life,
    counted from the newest interaction, s `smoothing`, m = Σl / Σc.
    """
    newest = float(order.max())  # only ratios count, and they do not underflow
    recent = np.bincount(item, decay_weights(weight, order, newest, half_life_days), len(counts))
    mean = recent.sum() / counts.sum()
    trend: npt.NDArray[np.float64] = (recent + smoothing * mean) / (counts + smoothing) / mean
    return trend


def weight_entries(matrix: csr_array, weighting: str) -> csr_array:
    """Apply the raw, binary or log weighting, which depend on one entry only: a history has the same weights in any batch."""
    if weighting not in ENTRYWISE:
        raise ValueError(f"weighting of histories must be one of {', '.join(ENTRYWISE)}, got {weighting!r}")
    return weight_matrix(matrix, weighting)


def weight_matrix(user_items: csr_array, weighting: str) -> csr_array:
    """Return the matrix with its entries x re-weighted.

    raw: x. binary: 1. log: ln(1 + x). tf-idf: √x · (ln(n / (1 + n_i)) + 1) with n users of whom n_i have item i, as in `implicit`.
    bm25: idf · x (K + 1) / (x + K (1 − B + B · length / mean length)), K = 1.2, B = 0.75, length the sum of the user's row
    (Robertson & Zaragoza 2009). Errors: ValueError for another name.
    """
    match weighting:
        case "raw":
            return user_items
        case "binary":
            return replace_data(user_items, np.ones(user_items.nnz))
        case "log":
            return replace_data(user_items, np.log1p(user_items.data))
        case "tf-idf":
            return scale_columns(
                replace_data(user_items, np.sqrt(user_items.data)), compute_inverse_frequency(user_items)
            )
        case "bm25":
            return _apply_bm25(user_items)
    raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")


def compute_inverse_frequency(matrix: csr_array) -> npt.NDArray[np.float64]:
    """Return ln(n / (1 + n_i)) + 1 per column i, with n rows of which n_i have an entry; at least 0.01."""
    frequency = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.maximum(np.log(max(matrix.shape[0], 1) / (1.0 + frequency)) + 1.0, 0.01)


def _apply_bm25(user_items: csr_array, k: float = 1.2, b: float = 0.75) -> csr_array:
    lengths = np.asarray(user_items.sum(axis=1)).ravel()
    mean = lengths.mean() if len(lengths) and lengths.sum() > 0 else 1.0
    damping = np.repeat(k * (1.0 - b + b * lengths / mean), np.diff(user_items.indptr))
    saturated = user_items.data * (k + 1.0) / (user_items.data + damping)
    return scale_columns(replace_data(user_items, saturated), compute_inverse_frequency(user_items))
