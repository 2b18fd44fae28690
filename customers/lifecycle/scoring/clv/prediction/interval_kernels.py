"""Picks intervals from predictive distributions; loops compiled by Numba."""

import math

import numba
import numpy as np

from config.foundation.array_types import Floats, Ints

compiled = numba.njit(nogil=True, cache=True)


@compiled
def _where_exceeded(curve: Floats, log_u: Floats, chance: float) -> float:
    """u with P(U > u) = chance, between two points linear in ln u."""
    low, high = 0, len(curve) - 1
    if chance >= curve[low]:
        return math.exp(log_u[low])
    if chance <= curve[high]:
        return math.exp(log_u[high])
    while high - low > 1:
        middle = (low + high) // 2
        if curve[middle] > chance:
            low = middle
        else:
            high = middle
    share = (curve[low] - chance) / (curve[low] - curve[high])
    return math.exp(log_u[low] + share * (log_u[high] - log_u[low]))


@compiled
def spend_intervals(
    alive: Floats, state: Ints, tails: Floats, curves: Floats, log_u: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """low, high, probability of U; see `intervals`."""
    n = len(alive)
    low, high, probability = np.zeros(n), np.zeros(n), np.full(n, level)
    side = (1.0 - level) / 2.0
    for i in range(n):
        none = 1.0 - alive[i] * tails[state[i], 1]
        if none >= level:
            probability[i] = none
            continue
        curve = curves[state[i]]
        above = 1.0 - level
        if none < side:
            above = side
            low[i] = _where_exceeded(curve, log_u, (1.0 - side) / alive[i])
        high[i] = _where_exceeded(curve, log_u, above / alive[i])
    return low, high, probability


@compiled
def count_intervals(alive: Floats, state: Ints, tails: Floats, level: float) -> tuple[Ints, Ints, Floats]:
    """low, high, probability of Y; see `intervals`."""
    n, most = len(alive), tails.shape[1] - 1
    low, high, probability = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n)
    side = (1.0 - level) / 2.0
    for i in range(n):
        tail = tails[state[i]]
        below = 0.0  # P(Y < low)
        y = 0
        if 1.0 - alive[i] * tail[1] < side:
            while y < most:  # to the low whose P(Y < low) is nearest to side
                following = 1.0 - alive[i] * tail[y + 1]
                if following + below > 2.0 * side:
                    break
                below = following
                y += 1
        low[i] = y
        until = 1.0 - alive[i] * tail[y + 1] if y < most else 1.0  # P(Y ≤ y)
        while y < most:  # to the high whose P(low ≤ Y ≤ high) is nearest to level
            following = 1.0 - alive[i] * tail[y + 2] if y + 2 <= most else 1.0
            if until + following - 2.0 * below > 2.0 * level:
                break
            until = following
            y += 1
        high[i] = y
        probability[i] = until - below
    return low, high, probability


@compiled
def count_ranks(alive: Floats, state: Ints, tails: Floats, happened: Ints) -> tuple[Floats, Floats]:
    """P(Y < happened), P(Y ≤ happened)."""
    n, most = len(alive), tails.shape[1] - 1
    under, up_to = np.zeros(n), np.ones(n)
    for i in range(n):
        if happened[i] > 0:
            under[i] = 1.0 - (alive[i] * tails[state[i], happened[i]] if happened[i] <= most else 0.0)
        if happened[i] < most:
            up_to[i] = 1.0 - alive[i] * tails[state[i], happened[i] + 1]
    return under, up_to


@compiled
def spend_ranks(
    alive: Floats, state: Ints, tails: Floats, curves: Floats, log_u: Floats, happened: Floats
) -> tuple[Floats, Floats]:
    """P(U < happened), P(U ≤ happened)."""
    n = len(alive)
    under, up_to = np.zeros(n), np.ones(n)
    step = log_u[1] - log_u[0]
    for i in range(n):
        if happened[i] <= 0:
            up_to[i] = 1.0 - alive[i] * tails[state[i], 1]
            continue
        place = (math.log(happened[i]) - log_u[0]) / step
        curve = curves[state[i]]
        if place <= 0:
            exceeded = curve[0]
        elif place >= len(curve) - 1:
            exceeded = curve[-1]
        else:
            k = int(place)
            exceeded = curve[k] + (place - k) * (curve[k + 1] - curve[k])
        under[i] = up_to[i] = 1.0 - alive[i] * exceeded
    return under, up_to
