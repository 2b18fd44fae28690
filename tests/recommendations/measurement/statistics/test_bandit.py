"""A bandit gives the better variant more people, and its intervals cover the truth although it does."""

import numpy as np
import pytest

from config.foundation.statistics import Sample
from recommendations.measurement.statistics.bandit import (
    MIN_SHARE,
    BanditBatch,
    choose_shares,
    compare_weighted_means,
    compute_best_probabilities,
    estimate_means,
)


def run_bandit(rates: list[float], *, seed: int, batches: int = 12, people: int = 400) -> list[BanditBatch]:
    """Simulate a bandit on orders per person."""
    rng, done = np.random.default_rng(seed), []
    shares = [1 / len(rates)] * len(rates)
    for number in range(batches):
        sizes = rng.multinomial(people, shares)
        hits = [int(rng.binomial(size, rate)) for size, rate in zip(sizes, rates, strict=True)]
        samples = [Sample(int(size), hit, hit) for size, hit in zip(sizes, hits, strict=True)]
        done.append(BanditBatch(samples, shares))
        shares = choose_shares(compute_best_probabilities(estimate_means(done), seed=number, draws=2000))
    return done


def test_the_better_variant_gets_most_people() -> None:
    shares = [run_bandit([0.05, 0.10], seed=seed)[-1].shares[1] for seed in range(10)]
    assert np.median(shares) > 0.85
    assert max(shares) <= 1 - MIN_SHARE


@pytest.mark.parametrize("rates", [[0.05, 0.05], [0.05, 0.08]])
def test_intervals_cover_the_truth(rates: list[float]) -> None:
    covered = []
    for seed in range(250):
        means = estimate_means(run_bandit(rates, seed=seed, batches=6))
        difference = compare_weighted_means(means[1], means[0])
        covered.append(abs(difference.value - (rates[1] - rates[0])) <= 1.96 * difference.standard_error)
    assert np.mean(covered) >= 0.92


def test_with_equal_shares_the_estimate_is_the_mean() -> None:
    batch = BanditBatch([Sample(50, 10, 10), Sample(50, 20, 20)], [0.5, 0.5])
    first, second = estimate_means([batch])
    assert (first.value, second.value) == pytest.approx((0.2, 0.4))


def test_shares_sum_to_one_and_nothing_known_means_equal_shares() -> None:
    assert choose_shares(np.array([0.0, 1.0])) == [0.1, 0.9]
    unknown = estimate_means([BanditBatch([Sample(0, 0, 0)] * 3, [0.4, 0.3, 0.3])])
    assert compute_best_probabilities(unknown, seed=1).tolist() == pytest.approx([1 / 3] * 3)


def test_a_variant_without_an_order_is_uncertain() -> None:
    """Its own variance is 0, which would make 5 orders of the other variant significant, or stop the bandit from learning."""
    few = estimate_means([BanditBatch([Sample(100, 0, 0), Sample(100, 5, 5)], [0.5, 0.5])])
    difference = compare_weighted_means(few[1], few[0])
    assert 0 < difference.value < 2.5 * difference.standard_error, "2.5: the critical value at the planned end"
    assert few[0].standard_error > 0
    many = estimate_means([BanditBatch([Sample(500, 0, 0), Sample(500, 50, 50)], [0.5, 0.5])])
    assert compute_best_probabilities(many, seed=1)[1] > 0.99


def test_a_day_with_many_orders_raises_all_means_alike() -> None:
    # 10% of both variants order at first, then 30%
    batches = [
        BanditBatch([Sample(200, 20, 20), Sample(200, 20, 20)], [0.5, 0.5]),
        BanditBatch([Sample(40, 12, 12), Sample(360, 108, 108)], [0.1, 0.9]),
    ]
    first, second = estimate_means(batches)
    assert first.value == pytest.approx(second.value)
