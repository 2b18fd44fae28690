"""How sure a share is."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

type Floats = npt.NDArray[np.float64]


def wilson(hits: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Low and high of the shares hits / trials, of the shape of both; trials above 0. Source: Wilson, JASA 1927."""
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / trials
    below = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / below
    reach = z * np.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / below
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)
