"""Thompson sampling: the shares of a bandit, and estimates that stay valid although the shares follow the outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import NamedTuple

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import Sample

DRAWS = 20_000
MIN_SHARE = 0.1  # of every variant: inverse propensities are at most 10; with 0.05, intervals of small shops cover 91% instead of 94%


@dataclass(frozen=True)
class BanditBatch:
    """The people who were assigned while the shares did not change.

    Attributes:
        samples: size, sum and sum of squares of the outcomes of each variant.
        shares: the probability of each variant, which sum to 1.
    """

    samples: Sequence[Sample]
    shares: Sequence[float]

    @property
    def n(self) -> int:
        return sum(sample.n for sample in self.samples)

    def sum_squared_deviations(self) -> float:
        """Return the sum of the squared deviations of all people from their mean."""
        total = sum(sample.total for sample in self.samples)
        return max(sum(sample.squares for sample in self.samples) - total**2 / self.n, 0.0) if self.n else 0.0


class WeightedMean(NamedTuple):
    """The estimated mean of a variant and its standard error; NaN if nobody was assigned."""

    value: float
    standard_error: float


def estimate_means(batches: Sequence[BanditBatch]) -> list[WeightedMean]:
    """Return the mean of each variant, valid although the shares followed the outcomes.

    Plain means of a bandit are biased: a variant with a bad start by chance gets few people, so its mean stays too low. Here each person counts with
    the inverse of the logged propensity, Γ = m + 1{A = a}·(x − m)/e, where m is the variant's mean in earlier batches, and batches count
    with the weight h = 1/√Σ(1/e), which evens out the variances of the differences: Q = Σ h·Γ / Σ h with the variance Σ h²(Γ − Q)² / (Σ h)².
    The weights are the same for all variants, so that a day with many orders raises all means alike. The outcomes of all batches must have
    been counted for the same time. Adaptively weighted AIPW; source: Hadad, Hirshberg, Zhan, Wager and Athey, PNAS 2021.

    The standard error is at least that with the variance of all variants together, Σ h²·Q/e ÷ (Σ h)², Q the squared deviations from the
    mean of the batch. A variant with few orders by chance underestimates its own variance, and one without an order has none.
    """
    return [_estimate_mean(batches, variant) for variant in range(len(batches[0].samples))] if batches else []


def _estimate_mean(batches: Sequence[BanditBatch], variant: int) -> WeightedMean:
    earlier_n, earlier_sum = 0, 0.0
    parts: list[tuple[int, Sample, float, float, float]] = []
    pooled = 0.0
    for batch in batches:
        sample, share = batch.samples[variant], batch.shares[variant]
        if batch.n and share > 0:
            # of earlier batches only, so that Γ is unbiased; the first batch predicts nothing
            mean = earlier_sum / earlier_n if earlier_n else 0.0
            h = compute_batch_weight(batch.shares)
            parts.append((batch.n, sample, share, mean, h))
            pooled += h**2 * batch.sum_squared_deviations() / share
        earlier_n, earlier_sum = earlier_n + sample.n, earlier_sum + sample.total
    weight = sum(n * h for n, _sample, _share, _mean, h in parts)
    if not weight:
        return WeightedMean(nan, nan)
    value = sum(h * (n * mean + (s.total - s.n * mean) / share) for n, s, share, mean, h in parts) / weight
    variance = 0.0
    for n, s, share, mean, h in parts:
        # Γ − Q = (m − Q) + (x − m)/e for the people of the variant, and m − Q for the others
        offset, residual = mean - value, s.total - s.n * mean
        squares = s.squares - 2 * mean * s.total + s.n * mean**2
        variance += h**2 * (n * offset**2 + 2 * offset * residual / share + squares / share**2)
    return WeightedMean(value, sqrt(max(variance, pooled, 0.0)) / weight)


def compute_batch_weight(shares: Sequence[float]) -> float:
    """Return h = 1/√Σ(1/e) over the variants with a share."""
    return 1 / sqrt(sum(1 / share for share in shares if share > 0))


def compare_weighted_means(first: WeightedMean, second: WeightedMean) -> WeightedMean:
    """Return the difference of two variants: their people are different, so the variances add up (Hadad et al., section 2.4)."""
    error = sqrt(first.standard_error**2 + second.standard_error**2)
    return WeightedMean(first.value - second.value, error)


def compute_best_probabilities(means: Sequence[WeightedMean], *, seed: int, draws: int = DRAWS) -> Floats:
    """Return the probability of each variant that its mean is the largest, (k,).

    By draws from normal posteriors around the estimates. Equal, as long as a mean is unknown or nothing varies.
    """
    k = len(means)
    errors = [mean.standard_error for mean in means]
    if not np.isfinite([*errors, *(mean.value for mean in means)]).all() or not min(errors, default=0.0) > 0:
        return np.full(k, 1 / k)
    rng = np.random.default_rng(seed)
    drawn = rng.normal([mean.value for mean in means], errors, size=(draws, k))
    return np.bincount(drawn.argmax(axis=1), minlength=k) / draws


def choose_shares(probabilities: Floats, *, min_share: float = MIN_SHARE) -> list[float]:
    """Return the shares of the next batch: the probability of being best, but at least ``min_share`` each.

    Thompson sampling in batches (Thompson, Biometrika 1933): whoever arrives gets a variant with the probability that it is the best.
    """
    shares = min_share + (1 - min_share * len(probabilities)) * np.asarray(probabilities)
    rounded = [round(float(share), 4) for share in shares]
    return [*rounded[:-1], round(1 - sum(rounded[:-1]), 4)]
