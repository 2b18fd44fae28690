"""Root mean squared error of predicted ratings."""

import numpy as np
import numpy.typing as npt


def rmse(predicted: npt.ArrayLike, actual: npt.ArrayLike) -> float:
    """Return √ mean (predicted − actual)², in the unit of the ratings.

    Pairs without a prediction (NaN) are an error, not skipped: ValueError. NaN for no ratings. Source: Herlocker et al., TOIS 2004, 4.1.
    """
    differences = compute_errors(predicted, actual)
    return float(np.sqrt(np.mean(np.square(differences)))) if len(differences) else float("nan")


def compute_errors(predicted: npt.ArrayLike, actual: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return predicted − actual. Errors: ValueError for unequal lengths or values that are not finite."""
    left, right = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    if left.shape != right.shape or left.ndim != 1:
        raise ValueError(
            f"predicted has shape {left.shape}, actual {right.shape}; both must be one-dimensional and of the same length"
        )
    wrong = ~(np.isfinite(left) & np.isfinite(right))
    if wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} ratings are missing or not finite, first at position {int(np.argmax(wrong))}"
        )
    return left - right
