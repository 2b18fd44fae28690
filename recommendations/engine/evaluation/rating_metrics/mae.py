"""Mean absolute error of predicted ratings."""

import numpy as np
import numpy.typing as npt

from recommendations.engine.evaluation.rating_metrics.rmse import compute_errors


def mae(predicted: npt.ArrayLike, actual: npt.ArrayLike) -> float:
    """Return the mean of |predicted − actual|, in the unit of the ratings.

    Errors as in `rmse`. NaN for no ratings. Source: Herlocker et al., TOIS 2004, 4.1.
    """
    differences = compute_errors(predicted, actual)
    return float(np.mean(np.abs(differences))) if len(differences) else float("nan")
