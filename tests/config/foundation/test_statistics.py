import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from config.foundation.statistics import (
    Sample,
    compare_means,
    compare_shares,
    compute_wilson_interval,
)


def test_intervals_match_the_published_table() -> None:
    """Newcombe, Statistics in Medicine 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29."""
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        interval = compute_wilson_interval(hits, trials)
        assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
        assert interval.value == hits / trials


def test_intervals_stay_between_zero_and_one() -> None:
    for trials in range(1, 200):
        assert compute_wilson_interval(0, trials).low == 0
        assert compute_wilson_interval(trials, trials).high == 1


def test_an_interval_without_trials_is_nan() -> None:
    assert math.isnan(compute_wilson_interval(0, 0).value)


def test_more_hits_than_trials_are_rejected() -> None:
    with pytest.raises(ValueError, match="hits must be"):
        compute_wilson_interval(4, 3)


def test_differences_of_shares_match_the_published_table() -> None:
    """Newcombe, Statistics in Medicine 1998, table II, method 10: 56/70 − 48/80 and 9/10 − 3/10."""
    for counts, low, high in (((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090)):
        interval = compare_shares(*counts)
        assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert math.isnan(compare_shares(0, 0, 1, 2).value)


def test_differences_of_means_are_those_of_scipy() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.gamma(1, 20, 300), rng.gamma(1, 18, 40)
    interval = compare_means(*(Sample(len(group), group.sum(), (group**2).sum()) for group in (first, second)))
    expected = ttest_ind(first, second, equal_var=False).confidence_interval()
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert math.isnan(compare_means(Sample(5, 10, 30), Sample(1, 2, 4)).low)
