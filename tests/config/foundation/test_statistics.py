import math

import pytest

from config.foundation.statistics import compute_wilson_interval


def test_intervals_match_the_published_table() -> None:
    """Newcombe, Statistics in Medicine 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29."""
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        interval = compute_wilson_interval(hits, trials)
        assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
        assert interval.value == hits / trials


def test_intervals_stay_between_zero_and_one() -> None:
    assert compute_wilson_interval(0, 3).low == 0
    assert compute_wilson_interval(3, 3).high == 1


def test_an_interval_without_trials_is_nan() -> None:
    assert math.isnan(compute_wilson_interval(0, 0).value)


def test_more_hits_than_trials_are_rejected() -> None:
    with pytest.raises(ValueError, match="hits must be"):
        compute_wilson_interval(4, 3)
