"""Backtests of predictions against actual values, computed by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from config.foundation.statistics import compute_wilson_bounds
from customers.lifecycle.scoring.backtest import backtest_counts, backtest_intervals


def make_floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_95_percent_intervals_contain_the_true_ratio_in_95_percent_of_cases() -> None:
    draws = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        mean = draws.gamma(1.0, 1.0, 300)
        ratio = backtest_counts(
            expected=mean, observed=draws.poisson(mean * draws.gamma(1.0, 1.0, 300)).astype(float)
        ).ratio
        hits += ratio.low <= 1 <= ratio.high
    assert 0.91 <= hits / 400 <= 0.99


def test_deciles_begin_with_the_highest_and_are_as_equal_as_possible() -> None:
    backtest = backtest_counts(expected=np.arange(25.0), observed=np.arange(25.0) * 2)
    assert [decile.customers for decile in backtest.deciles] == [3] * 5 + [2] * 5
    assert backtest.deciles[0].expected == 23.0
    assert backtest.deciles[0].observed == 46.0
    assert backtest.ratio.value == 2.0
    assert (backtest.ratio.low, backtest.ratio.high) == (2.0, 2.0)
    assert backtest.bias.value == -12.0
    assert backtest.mae.value == 12.0


def test_coverage_includes_both_ends() -> None:
    backtest = backtest_intervals(
        low=make_floats(1, 1, 1, 1), high=make_floats(2, 2, 2, 2), observed=make_floats(1, 2, 2.5, 0)
    )
    assert backtest.value == 0.5
    assert (backtest.low, backtest.high) == compute_wilson_bounds(2, 4)
    assert compute_wilson_bounds(1, 10) == pytest.approx(
        (0.0179, 0.4042), abs=1e-4
    )  # Newcombe, Stat. Med. 1998, by hand


def test_unavailable_results_have_a_reason() -> None:
    empty = backtest_counts(expected=make_floats(), observed=make_floats())
    assert empty.mae.reason == empty.bias.reason == empty.ratio.reason == "no_rows"
    assert backtest_intervals(low=make_floats(), high=make_floats(), observed=make_floats()).reason == "no_rows"
    without_expected = backtest_counts(expected=make_floats(0.0, 0.0), observed=make_floats(0.0, 3.0))
    assert without_expected.ratio.reason == "nothing_expected"
    for backtest in (without_expected, empty):
        assert "NaN" not in json.dumps(asdict(backtest))
        assert "Infinity" not in json.dumps(asdict(backtest))


def test_invalid_arguments_are_rejected_by_name() -> None:
    with pytest.raises(ValueError, match="not finite"):
        backtest_counts(expected=make_floats(np.nan), observed=make_floats(1.0))
    with pytest.raises(ValueError, match="expected must be"):
        backtest_counts(expected=make_floats(-1.0), observed=make_floats(1.0))
    with pytest.raises(ValueError, match="one entry per customer"):
        backtest_intervals(low=make_floats(1.0), high=make_floats(1.0, 2.0), observed=make_floats(1.0))
