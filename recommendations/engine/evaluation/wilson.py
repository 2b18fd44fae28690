"""How sure a share is that was counted."""

from math import sqrt
from statistics import NormalDist

from recommendations.engine.evaluation.bootstrap import Interval


def wilson(hits: int, trials: int, *, level: float = 0.95) -> Interval:
    """The share hits / trials with Wilson's score interval.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). Source: Wilson, JASA 1927; it stays inside 0…1 and holds for rare
    events, which the textbook's p ± z·√(p(1−p)/n) does not. No trials: NaN. Errors: ValueError unless 0 ≤ hits ≤ trials.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"hits must be 0…{trials}, got {hits}")
    if not trials:
        return Interval(float("nan"), float("nan"), float("nan"))
    z, share = NormalDist().inv_cdf((1 + level) / 2), hits / trials
    middle = share + z * z / (2 * trials)
    reach = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    below = 1 + z * z / trials
    return Interval(share, max(0.0, (middle - reach) / below), min(1.0, (middle + reach) / below))
