"""The distribution of the number of future purchases of somebody who is alive, as P(at least k); loops compiled by Numba."""

import math

import numba
import numpy as np

from config.foundation.array_types import Floats

compiled = numba.njit(nogil=True, cache=True)

LOWEST_LOG = -600.0


@compiled
def _add_tails(into: Floats, share: float, s: float, reach: float) -> None:
    """Adds share · P(K ≥ k) for k from 0, K negative binomial of size s and mean s · reach."""
    z = reach / (1.0 + reach)
    log_none = -s * math.log1p(reach)
    more = 1.0  # P(K ≥ k)
    chance = math.exp(log_none) if log_none >= LOWEST_LOG else 0.0  # P(K = k)
    below = -math.expm1(log_none)
    for k in range(len(into)):
        into[k] += share * more
        if log_none < LOWEST_LOG:
            log_none += math.log(z * (s + k) / (k + 1.0))
            if log_none >= LOWEST_LOG:
                chance = math.exp(log_none)
            continue
        more = below if k == 0 else max(more - chance, 0.0)
        chance *= z * (s + k) / (k + 1.0)


@compiled
def tails_until_dropout(s: float, reach: Floats, stay: float, leave: float, most: int) -> Floats:
    """(n, most + 1): P(K ≥ k) · E[q^(k−1)], q ~ Beta(stay, leave): the k-th comes if there is one and k − 1 were survived."""
    tails = np.zeros((len(reach), most + 1))
    for i in range(len(reach)):
        _add_tails(tails[i], 1.0, s, reach[i])
        stayed = 1.0
        for k in range(2, most + 1):
            stayed *= (stay + k - 2) / (stay + leave + k - 2)
            tails[i, k] *= stayed
    return tails


@compiled
def tails_in_lifetime(
    s_x: float, alpha: Floats, s: float, beta: Floats, horizon: float, most: int, nodes: Floats, weights: Floats
) -> Floats:
    """(n, most + 1): P(K(min(ω, t)) ≥ k), the rest of the lifetime ω with P(ω > u) = (β / (β + u))^s; alpha, beta: at T."""
    tails = np.zeros((len(alpha), most + 1))
    for i in range(len(alpha)):
        log_all = s * math.log1p(horizon / beta[i])
        gone = -math.expm1(-log_all)
        _add_tails(tails[i], 1.0 - gone, s_x, horizon / alpha[i])
        for node in range(len(nodes)):  # of the share that has gone by then
            u = beta[i] * math.expm1(-math.log1p(-gone * nodes[node]) / s)
            _add_tails(tails[i], gone * weights[node], s_x, u / alpha[i])
    return tails
