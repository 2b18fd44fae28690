"""Loops over purchase histories, compiled by Numba.

They compute likelihoods with their gradients, and expected purchases.
They are in one file because Numba's disk cache detects changes of the calling file only.
"""

import math

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.kernels.compilation import make_jit

compiled = make_jit(nogil=True)

# Gauss–Legendre rules on [0, 1] with 8, 12 and 24 nodes, concatenated. They integrate exp(−5 u), exp(−12 u) and exp(−34 u) to 1e-12,
# 1e-12 and 1e-9, and (1 + …)^power, whose nearest pole is π / length away, to 1e-12 up to lengths of 2, 4 and 10.
QUADRATURE_RULES = [np.polynomial.legendre.leggauss(n) for n in (8, 12, 24)]
NODES = np.concatenate([nodes for nodes, _ in QUADRATURE_RULES]) / 2.0 + 0.5
WEIGHTS = np.concatenate([weights for _, weights in QUADRATURE_RULES]) / 2.0
FINEST_RULE = 20  # index of the first node of the 24-node rule
NEGLIGIBLE = 34.0  # exp(−34) ≈ 2e-15
MIN_LOG = -600.0  # exp of less would underflow when multiplied
TOLERANCE = 1e-13


@compiled
def sum_dropout_terms(
    x: Ints, t_x: Floats, age: Floats, weight: Floats, r: float, alpha: float, a: float, b: float, shift: int
) -> tuple[float, float, float, float, float]:
    """Return the varying term of the log-likelihood, and its derivatives by r, α, a, b.

    It is Σ weight · ln[(α+T)^−(r+x) + δ · (α+t_x)^−(r+x)], δ = a / (b + x − 1 + shift).
    shift 0 is BG/NBD, where δ = 0 for x = 0; shift 1 is MBG/NBD.
    """
    total, by_r, by_alpha, by_a, by_b = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        s = r + x[i]
        log_age = math.log(alpha + age[i])
        if x[i] == 0 and shift == 0:
            total -= weight[i] * s * log_age
            by_r -= weight[i] * log_age
            by_alpha -= weight[i] * s / (alpha + age[i])
            continue
        rest = b + x[i] - 1 + shift
        gap = math.log1p((age[i] - t_x[i]) / (alpha + t_x[i]))
        odds = math.log(a / rest) + s * gap  # log odds of having dropped out
        # Both branches give ln(1 + exp(odds)); each uses the exponential that cannot overflow.
        if odds > 0:
            small = math.exp(-odds)
            left = 1.0 / (1.0 + small)
            total += weight[i] * (odds + math.log1p(small) - s * log_age)
        else:
            small = math.exp(odds)
            left = small / (1.0 + small)
            total += weight[i] * (math.log1p(small) - s * log_age)
        by_r -= weight[i] * (log_age - left * gap)
        by_alpha -= weight[i] * s * ((1.0 - left) / (alpha + age[i]) + left / (alpha + t_x[i]))
        by_a += weight[i] * left / a
        by_b -= weight[i] * left / rest
    return total, by_r, by_alpha, by_a, by_b


@compiled
def _expect_purchases(s: float, reach: float, stay: float, leave: float) -> float:
    """Return Σ_j P(K > j) · E[q^j].

    K is negative binomial of size s and mean s · reach, q ~ Beta(stay, leave).
    """
    z = reach / (1.0 + reach)
    log_none = -s * math.log1p(reach)
    more = -math.expm1(log_none)  # P(K > j)
    stayed = 1.0  # E[q^j]
    total = 0.0
    j = 0
    while log_none < MIN_LOG and stayed > 0.0:  # until P(K = j) is large enough for a float
        total += stayed
        stayed *= (stay + j) / (stay + leave + j)
        log_none += math.log(z * (s + j) / (j + 1.0))
        j += 1
    probability = math.exp(log_none)  # P(K = j)
    while True:
        total += more * stayed
        ratio = z * (s + j) / (j + 1.0)
        if ratio < 1.0 and more * stayed < TOLERANCE * total * (1.0 - max(ratio, z)):
            return total
        stayed *= (stay + j) / (stay + leave + j)
        probability *= ratio
        more -= probability
        if more < TOLERANCE:
            return total
        j += 1


@compiled
def expect_purchases_until_dropout(s: Floats, reach: Floats, stay: Floats, leave: float) -> Floats:
    """Return (n, h): expected purchases if alive.

    S, stay: shape (n,); reach: t / (α + T), shape (n, h).
    """
    n, h = reach.shape
    expected = np.zeros((n, h))
    for i in range(n):
        for k in range(h):
            if reach[i, k] > 0:
                expected[i, k] = _expect_purchases(s[i], reach[i, k], stay[i], leave)
    return expected


@compiled
def _integrate_lifetime(
    s_x: float, t_x: float, age: float, alpha: float, s: float, beta: float, nodes: Floats, weights: Floats
) -> tuple[float, float, float, float, float]:
    """Return the log of an integral over the lifetime, and four means under the integrand.

    The integral is s ∫ (α+τ)^−s_x (β+τ)^−(s+1) dτ from t_x to T.
    The means are of ln((α+τ) / (α+t_x)), ln((β+τ) / (β+t_x)), 1 / (α+τ), 1 / (β+τ). In u = ln(1 + (τ − t_x) / c) the integrand is smooth
    on every scale between α and β; c is the scale on which it starts to fall.
    """
    from_alpha, from_beta, power = alpha + t_x, beta + t_x, s + 1.0
    c = (s_x / from_alpha + power / from_beta) / (s_x / from_alpha**2 + power / from_beta**2)
    far = math.log1p((age - t_x) / c)
    steepness = s_x * min(1.0, c / from_alpha) + power * min(1.0, c / from_beta) - 1.0  # lower bound, in u
    if steepness * far > NEGLIGIBLE:
        far = NEGLIGIBLE / steepness
    fall = far * (s_x * max(1.0, c / from_alpha) + power * max(1.0, c / from_beta))  # upper bound
    # A slowly falling integrand needs fewer nodes; the limits are those that the rules reach 1e-12 for.
    first, stop = 20, 44
    if fall < 5.0 and far < 2.0:
        first, stop = 0, 8
    elif fall < 12.0 and far < 4.0:
        first, stop = 8, 20
    total, log_a, log_b, one_a, one_b = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(first, stop):
        u = far * nodes[k]
        delta = c * math.expm1(u)
        in_a, in_b = math.log1p(delta / from_alpha), math.log1p(delta / from_beta)
        value = weights[k] * math.exp(u - s_x * in_a - power * in_b)
        total += value
        log_a += value * in_a
        log_b += value * in_b
        one_a += value / (from_alpha + delta)
        one_b += value / (from_beta + delta)
    log_total = math.log(s * c * far * total) - s_x * math.log(from_alpha) - power * math.log(from_beta)
    return log_total, log_a / total, log_b / total, one_a / total, one_b / total


@compiled
def compute_lifetime_terms(
    x: Ints, t_x: Floats, age: Floats, r: float, alpha: float, s: float, beta: float, nodes: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Return the log of the Pareto/NBD likelihood's terms alive and dropped out, (n,).

    Factors of x alone are left out.
    """
    alive, left = np.empty(len(x)), np.full(len(x), -np.inf)
    for i in range(len(x)):
        alive[i] = -(r + x[i]) * math.log(alpha + age[i]) - s * math.log(beta + age[i])
        if age[i] > t_x[i]:
            left[i] = _integrate_lifetime(r + x[i], t_x[i], age[i], alpha, s, beta, nodes, weights)[0]
    return alive, left


@compiled
def sum_lifetime_terms(
    x: Ints, t_x: Floats, age: Floats, weight: Floats, r: float, alpha: float, s: float, beta: float, nodes: Floats,
    weights: Floats,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """Return Σ weight · ln(alive + dropped out), and its derivatives by r, α, s, β.

    For the terms see `compute_lifetime_terms`.
    """
    total, by_r, by_alpha, by_s, by_beta = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        s_x = r + x[i]
        end_a, end_b = math.log(alpha + age[i]), math.log(beta + age[i])
        alive = -s_x * end_a - s * end_b
        share, log_a, log_b, one_a, one_b, log_sum = 0.0, 0.0, 0.0, 0.0, 0.0, alive
        if age[i] > t_x[i]:
            left, log_a, log_b, one_a, one_b = _integrate_lifetime(s_x, t_x[i], age[i], alpha, s, beta, nodes, weights)
            log_a += math.log(alpha + t_x[i])
            log_b += math.log(beta + t_x[i])
            if left > alive:
                log_sum = left + math.log1p(math.exp(alive - left))
            else:
                log_sum = alive + math.log1p(math.exp(left - alive))
            share = math.exp(left - log_sum)
        total += weight[i] * log_sum
        by_r -= weight[i] * ((1.0 - share) * end_a + share * log_a)
        by_alpha -= weight[i] * s_x * ((1.0 - share) / (alpha + age[i]) + share * one_a)
        by_s += weight[i] * (share / s - (1.0 - share) * end_b - share * log_b)
        by_beta -= weight[i] * ((1.0 - share) * s / (beta + age[i]) + share * (s + 1.0) * one_b)
    return total, by_r, by_alpha, by_s, by_beta
