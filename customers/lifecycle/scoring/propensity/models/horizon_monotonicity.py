"""Models of several horizons, made to agree: whoever buys within a week buys within a month."""

from collections.abc import Sequence

import numpy as np

from config.foundation.array_types import Flags, Floats
from customers.lifecycle.scoring.propensity.features.labels import Target


def rising(chances: Floats) -> Floats:
    """The nearest rows that never fall, (n, k): least squares, by max over a ≤ j of min over b ≥ j of the mean of columns a to b.

    What is true never falls either, so this is nearer to it than what came in, by the sum of squares of each row.
    Source: Robertson, Wright & Dykstra, Order Restricted Statistical Inference, 1988, 1.4.
    """
    k = chances.shape[1]
    sums = np.concatenate((np.zeros((len(chances), 1)), np.cumsum(chances, axis=1)), axis=1)
    found = np.empty_like(chances)
    for j in range(k):
        of_start = [
            np.min([(sums[:, b + 1] - sums[:, a]) / (b + 1 - a) for b in range(j, k)], axis=0) for a in range(j + 1)
        ]
        found[:, j] = np.max(of_start, axis=0)
    return found


def agreed(*, targets: Sequence[Target], said: Floats, lapsed: Flags) -> Floats:
    """What models say of each target, (n, k), so that a longer horizon is never less likely to see a purchase; churn is none.

    lapsed: (n,), those whom churn doesn't speak about; their churn is brought between its neighbours, which speak about everybody,
    and moves none of them.
    """
    churn = np.array([target.kind == "churn" for target in targets])
    order = np.argsort([target.horizon_days for target in targets], kind="stable")
    buys = np.where(churn, 1.0 - said, said)[:, order]
    found = rising(buys)
    if lapsed.any() and churn.any():
        others = np.flatnonzero(~churn[order])
        rest = buys[lapsed]
        rest[:, others] = rising(rest[:, others])
        for place in np.flatnonzero(churn[order]):
            low = rest[:, others[others < place]].max(axis=1, initial=0.0)
            high = rest[:, others[others > place]].min(axis=1, initial=1.0)
            rest[:, place] = np.clip(rest[:, place], low, high)
        found[lapsed] = rest
    back = np.empty_like(found)
    back[:, order] = found
    return np.where(churn, 1.0 - back, back)
