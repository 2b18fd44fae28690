"""When a gap between orders becomes unusual for a customer, compiled by Numba.

The gap is log-normal, the customer's own mean is shrunk to that of the main category, and a limit is the age at which the probability
S(t) of a longer gap falls below a share that the customer's gaps exceed only so many times per year.
"""

import math

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.kernels.compilation import make_jit

# Columns of a row of the rule. within 0: the rules use the quantiles of gaps instead.
GAP_FIELDS = (
    "within",
    "shrinkage",
    "tail_variance",
    "at_risk_alarms",
    "dormant_alarms",
    "churned_alarms",
    "at_risk_share",
    "dormant_share",
    "churned_share",
    "at_risk_days",
    "dormant_days",
    "churned_days",
    "guard_alive",
    "guard_churn",
    "guard_days",
)
WITHIN, SHRINKAGE, TAIL_VARIANCE, ALARMS, SHARES, FLOORS, GUARD_ALIVE, GUARD_CHURN, GUARD_DAYS = (
    0,
    1,
    2,
    3,
    6,
    9,
    12,
    13,
    14,
)

# Columns of a P(alive) row: parameters of the purchase model in days, the shift of its dropout share, and the odds
# (1 − p) / p of the smallest P(alive) that is not churned.
ALIVE_FIELDS = ("r", "alpha", "a", "b", "shift", "odds")
R, ALPHA, A, B, SHIFT, ODDS = range(6)

DAY = 86_400_000_000
MINUTES_PER_DAY = 1440
YEAR_DAYS = 365.25
HOUR = DAY // 24
MAX_DAYS = 1e6
MEMORY = 0.9  # weight of each gap relative to the next one, because rates drift
LOG_MAX_DAYS = math.log(MAX_DAYS)

compiled = make_jit(nogil=True)


@compiled
def compute_survival(z: float) -> float:
    """Return the probability that a standard normal variable exceeds z."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


@compiled
def compute_upper_quantile(share: float) -> float:
    """Return the z that a standard normal variable exceeds with this probability, in (0, 0.5].

    Approximation 26.2.23 of Abramowitz & Stegun, Handbook of Mathematical Functions, and two steps of Newton's method.
    """
    t = math.sqrt(-2.0 * math.log(share))
    z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    for _step in range(2):
        density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        z += (compute_survival(z) - share) / density
    return z


@compiled
def predict_log_gap(gaps: int, weight: float, log_sum: float, prior_mean: float, rule: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of the logarithm of the next gap in days.

    weight, log_sum: weighted number of the customer's own gaps and weighted sum of their logarithms, earlier ones less (`MEMORY`). How far
    their mean is shrunk depends on the number of all gaps: a customer with 700 orders has a rhythm of their own.
    """
    shrinkage = rule[SHRINKAGE]
    own_mean = log_sum / weight if gaps > 0 else prior_mean
    mean = (gaps * own_mean + shrinkage * prior_mean) / (gaps + shrinkage)
    return mean, math.sqrt(rule[TAIL_VARIANCE] * (1.0 + 1.0 / (weight + shrinkage)))


@compiled
def standardize_gaps(owner: Ints, logs: Floats, prior_mean: Floats, shrinkage: float) -> Floats:
    """Return how far each gap is from what the customer's earlier gaps predict, in units of their standard deviation within customers.

    owner, logs, prior_mean: shape (k,), the customer of each gap, its logarithm and the mean of the main category, by customer and time.
    """
    deviations = np.empty(len(logs))
    rule = np.zeros(len(GAP_FIELDS))
    rule[SHRINKAGE], rule[TAIL_VARIANCE] = shrinkage, 1.0
    gaps, weight, log_sum = 0, 0.0, 0.0
    for i in range(len(logs)):
        if i == 0 or owner[i] != owner[i - 1]:
            gaps, weight, log_sum = 0, 0.0, 0.0
        mean, spread = predict_log_gap(gaps, weight, log_sum, prior_mean[i], rule)
        deviations[i] = (logs[i] - mean) / spread
        gaps, weight, log_sum = gaps + 1, MEMORY * weight + 1.0, MEMORY * log_sum + logs[i]
    return deviations


@compiled
def compute_gaps_per_year(gaps: int, mean: float, rule: Floats) -> float:
    """Return how many gaps the customer completes per year: one per mean gap, times the share of orders that were followed.

    Of n + 1 orders, n were followed by another one. So a customer who ordered once completes none, and no false alarm is expected.
    """
    return gaps / (gaps + 1.0) * YEAR_DAYS / math.exp(min(mean + rule[WITHIN] / 2.0, LOG_MAX_DAYS))


@compiled
def find_time_limits(
    last: int, gaps: int, weight: float, log_sum: float, prior_mean: float, rule: Floats, limits: Ints
) -> None:
    """Write the moments at which the customer becomes at risk, dormant and churned without another order."""
    mean, spread = predict_log_gap(gaps, weight, log_sum, prior_mean, rule)
    per_year = compute_gaps_per_year(gaps, mean, rule)
    days = 0.0
    for level in range(3):
        share = rule[SHARES + level]
        if per_year * share > rule[ALARMS + level]:
            share = rule[ALARMS + level] / per_year
        log_days = mean + spread * compute_upper_quantile(share)
        days = max(days, rule[FLOORS + level], math.exp(min(log_days, LOG_MAX_DAYS)))
        # In whole minutes, so that rounding errors of a logarithm do not move a stored change.
        limits[level] = last + np.int64(days * MINUTES_PER_DAY) * (DAY // MINUTES_PER_DAY)


@compiled
def compute_guard(recency: float, age: float, repeats: int, days: float, alive: Floats) -> tuple[float, float]:
    """Return P(alive) and the probability of no order within some days, by the purchase model.

    recency, age: days from the first order to the last one and to now.
    """
    exponent = alive[R] + repeats
    dropped = alive[A] / (alive[B] + repeats - alive[SHIFT])
    growth = exponent * (math.log(alive[ALPHA] + age) - math.log(alive[ALPHA] + recency))
    p_alive = 1.0 / (1.0 + dropped * math.exp(min(growth, 700.0)))
    # A customer can only leave after an order, so until the next one the rate is Gamma(r + x, α + T).
    silent = math.exp(exponent * (math.log(alive[ALPHA] + age) - math.log(alive[ALPHA] + age + days)))
    return p_alive, 1.0 - p_alive * (1.0 - silent)


@compiled
def count_days_between(first: int, last: int) -> int:
    """Return the number of days between the moments at which two days begin; daylight saving time makes days an hour shorter or longer."""
    return (last - first + DAY // 2) // DAY


@compiled
def is_guarded(first: int, last: int, repeats: int, now: int, alive: Floats, rule: Floats) -> bool:
    """Return whether the purchase model is sure that the customer is active and orders again soon.

    first, last: the moments at which the days of the first and the last order begin.
    """
    if alive[R] <= 0.0 or (repeats == 0 and alive[SHIFT] > 0.0):
        return False
    recency = float(count_days_between(first, last))
    p_alive, churn = compute_guard(recency, (now - first) / DAY, repeats, rule[GUARD_DAYS], alive)
    return bool(p_alive >= rule[GUARD_ALIVE] and churn <= rule[GUARD_CHURN])


@compiled
def find_guard_end(first: int, last: int, repeats: int, now: int, alive: Floats, rule: Floats) -> int:
    """Return the moment from which the guard no longer holds without another order; ``now`` if it does not hold then.

    first, last: as for `is_guarded`.
    Both probabilities only get worse with time, so the moment is found by bisection, in whole hours from ``now``.
    """
    if not is_guarded(first, last, repeats, now, alive, rule):
        return now
    low, step = 0, 24
    while step < MAX_DAYS and is_guarded(first, last, repeats, now + (low + step) * HOUR, alive, rule):
        low += step
        step *= 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if is_guarded(first, last, repeats, now + middle * HOUR, alive, rule):
            low = middle
        else:
            high = middle
    return now + high * HOUR
