"""Earlier scores against what happened, by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from config.foundation.statistics import compute_wilson_bounds
from customers.lifecycle.scoring.backtest import backtest_counts, backtest_intervals


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_intervals_hold_the_truth_nineteen_times_of_twenty() -> None:
    draws = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        mean = draws.gamma(1.0, 1.0, 300)
        ratio = backtest_counts(
            expected=mean, observed=draws.poisson(mean * draws.gamma(1.0, 1.0, 300)).astype(float)
        ).ratio
        held += ratio.low <= 1 <= ratio.high
    assert 0.91 <= held / 400 <= 0.99


def test_tenths_are_from_the_highest_and_as_even_as_they_can_be() -> None:
    found = backtest_counts(expected=np.arange(25.0), observed=np.arange(25.0) * 2)
    assert [tenth.customers for tenth in found.deciles] == [3] * 5 + [2] * 5
    assert found.deciles[0].expected == 23.0
    assert found.deciles[0].observed == 46.0
    assert found.ratio.value == 2.0
    assert (found.ratio.low, found.ratio.high) == (2.0, 2.0)
    assert found.bias.value == -12.0
    assert found.mae.value == 12.0


def test_coverage_counts_both_ends_in() -> None:
    found = backtest_intervals(low=floats(1, 1, 1, 1), high=floats(2, 2, 2, 2), observed=floats(1, 2, 2.5, 0))
    assert found.value == 0.5
    assert (found.low, found.high) == compute_wilson_bounds(2, 4)
    assert compute_wilson_bounds(1, 10) == pytest.approx(
        (0.0179, 0.4042), abs=1e-4
    )  # Newcombe, Stat. Med. 1998, by hand


def test_unavailable_results_have_a_reason() -> None:
    nothing = backtest_counts(expected=floats(), observed=floats())
    assert nothing.mae.reason == nothing.bias.reason == nothing.ratio.reason == "no_rows"
    assert backtest_intervals(low=floats(), high=floats(), observed=floats()).reason == "no_rows"
    zero = backtest_counts(expected=floats(0.0, 0.0), observed=floats(0.0, 3.0))
    assert zero.ratio.reason == "nothing_expected"
    for found in (zero, nothing):
        assert "NaN" not in json.dumps(asdict(found))
        assert "Infinity" not in json.dumps(asdict(found))


def test_invalid_arguments_are_rejected_by_name() -> None:
    with pytest.raises(ValueError, match="not finite"):
        backtest_counts(expected=floats(np.nan), observed=floats(1.0))
    with pytest.raises(ValueError, match="expected must be"):
        backtest_counts(expected=floats(-1.0), observed=floats(1.0))
    with pytest.raises(ValueError, match="one entry per customer"):
        backtest_intervals(low=floats(1.0), high=floats(1.0, 2.0), observed=floats(1.0))
