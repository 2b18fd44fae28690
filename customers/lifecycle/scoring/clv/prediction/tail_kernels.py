"""The distribution of the number of future purchases of an alive customer, as P(at least k).

Loops compiled by Numba.
"""

import math

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.kernels.compilation import make_jit

compiled = make_jit(nogil=True)

MIN_LOG = -600.0


@compiled
def _add_tails(into: Floats, share: float, s: float, reach: float) -> None:
    """Add share · P(K ≥ k) for k from 0, K negative binomial of size s and mean s · reach."""
    z = reach / (1.0 + reach)
    log_none = -s * math.log1p(reach)
    more = 1.0  # P(K ≥ k)
    probability = math.exp(log_none) if log_none >= MIN_LOG else 0.0  # P(K = k)
    below = -math.expm1(log_none)
    for k in range(len(into)):
        into[k] += share * more
        # P(K = k) would underflow for many expected purchases, so its logarithm is advanced until it fits a float.
        if log_none < MIN_LOG:
            log_none += math.log(z * (s + k) / (k + 1.0))
            if log_none >= MIN_LOG:
                probability = math.exp(log_none)
            continue
        more = below if k == 0 else max(more - probability, 0.0)
        probability *= z * (s + k) / (k + 1.0)


@compiled
def compute_tails_until_dropout(s: Floats, reach: Floats, stay: float, leave: float, max_purchases: int) -> Floats:
    """Return (n, max_purchases + 1): P(K ≥ k) · E[q^(k−1)], q ~ Beta(stay, leave).

    The k-th purchase happens if there is one and the customer stayed after k − 1 purchases.
    """
    tails = np.zeros((len(reach), max_purchases + 1))
    for i in range(len(reach)):
        _add_tails(tails[i], 1.0, s[i], reach[i])
        stay_probability = 1.0
        for k in range(2, max_purchases + 1):
            stay_probability *= (stay + k - 2) / (stay + leave + k - 2)
            tails[i, k] *= stay_probability
    return tails


@compiled
def compute_tails_in_lifetime(
    s_x: Floats,
    alpha: Floats,
    s: float,
    beta: Floats,
    horizon: float,
    max_purchases: int,
    nodes: Floats,
    weights: Floats,
) -> Floats:
    """Return (n, max_purchases + 1): P(K(min(ω, t)) ≥ k); alpha, beta: at T.

    The remaining lifetime ω has P(ω > u) = (β / (β + u))^s.
    """
    tails = np.zeros((len(alpha), max_purchases + 1))
    for i in range(len(alpha)):
        log_all = s * math.log1p(horizon / beta[i])
        dropout_probability = -math.expm1(-log_all)
        _add_tails(tails[i], 1.0 - dropout_probability, s_x[i], horizon / alpha[i])
        for node in range(len(nodes)):  # quadrature over the moment of dropout
            u = beta[i] * math.expm1(-math.log1p(-dropout_probability * nodes[node]) / s)
            _add_tails(tails[i], dropout_probability * weights[node], s_x[i], u / alpha[i])
    return tails
