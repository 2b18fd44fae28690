"""Computes intervals from predictive distributions; loops compiled by Numba."""

import math

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.kernels.compilation import make_jit

compiled = make_jit(nogil=True)


@compiled
def _invert_tail(curve: Floats, log_u: Floats, tail: float) -> float:
    """Return u with P(U > u) = tail, interpolated linearly in ln u."""
    low, high = 0, len(curve) - 1
    if tail >= curve[low]:
        return math.exp(log_u[low])
    if tail <= curve[high]:
        return math.exp(log_u[high])
    while high - low > 1:
        middle = (low + high) // 2
        if curve[middle] > tail:
            low = middle
        else:
            high = middle
    share = (curve[low] - tail) / (curve[low] - curve[high])
    return math.exp(log_u[low] + share * (log_u[high] - log_u[low]))


@compiled
def compute_spend_intervals(
    alive: Floats, state: Ints, tails: Floats, curves: Floats, log_u: Floats, level: float, nominal: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return low, high and probability of U; see `intervals`.

    level: the stated probability. nominal: shape (n,), the share of the distribution that holds with that probability.
    """
    n = len(alive)
    low, high, probability = np.zeros(n), np.zeros(n), np.full(n, level)
    for i in range(n):
        side = (1.0 - nominal[i]) / 2.0
        none = 1.0 - alive[i] * tails[state[i], 1]
        # No interval is shorter than [0, 0], so it is published with the probability that it really has.
        if none >= nominal[i]:
            probability[i] = none ** (math.log(level) / math.log(nominal[i]))
            continue
        curve = curves[state[i]]
        above = 1.0 - nominal[i]
        if none < side:
            above = side
            low[i] = _invert_tail(curve, log_u, (1.0 - side) / alive[i])
        high[i] = _invert_tail(curve, log_u, above / alive[i])
    return low, high, probability


@compiled
def compute_count_intervals(
    alive: Floats, state: Ints, tails: Floats, level: float, nominal: Floats
) -> tuple[Ints, Ints, Floats]:
    """Return low, high and probability of Y; see `intervals`. level, nominal: as for `compute_spend_intervals`."""
    n, max_purchases = len(alive), tails.shape[1] - 1
    low, high, probability = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n)
    for i in range(n):
        side = (1.0 - nominal[i]) / 2.0
        tail = tails[state[i]]
        below = 0.0  # P(Y < low)
        y = 0
        if 1.0 - alive[i] * tail[1] < side:
            while y < max_purchases:  # move to the low whose P(Y < low) is nearest to side
                following = 1.0 - alive[i] * tail[y + 1]
                if following + below > 2.0 * side:
                    break
                below = following
                y += 1
        low[i] = y
        up_to = 1.0 - alive[i] * tail[y + 1] if y < max_purchases else 1.0  # P(Y ≤ y)
        while y < max_purchases:  # move to the high whose P(low ≤ Y ≤ high) is nearest to level
            following = 1.0 - alive[i] * tail[y + 2] if y + 2 <= max_purchases else 1.0
            if up_to + following - 2.0 * below > 2.0 * nominal[i]:
                break
            up_to = following
            y += 1
        high[i] = y
        probability[i] = (up_to - below) ** (math.log(level) / math.log(nominal[i]))
    return low, high, probability


@compiled
def compute_count_pit(alive: Floats, state: Ints, tails: Floats, actual: Ints) -> tuple[Floats, Floats]:
    """Return P(Y < actual) and P(Y ≤ actual)."""
    n, max_purchases = len(alive), tails.shape[1] - 1
    lower, upper = np.zeros(n), np.ones(n)
    for i in range(n):
        if actual[i] > 0:
            lower[i] = 1.0 - (alive[i] * tails[state[i], actual[i]] if actual[i] <= max_purchases else 0.0)
        if actual[i] < max_purchases:
            upper[i] = 1.0 - alive[i] * tails[state[i], actual[i] + 1]
    return lower, upper
