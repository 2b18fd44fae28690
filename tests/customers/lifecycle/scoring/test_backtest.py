"""Earlier scores against what happened, by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from customers.lifecycle.scoring.backtest import (
    backtest_counts,
    backtest_intervals,
    backtest_probabilities,
    wilson,
)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_four_probabilities_by_hand() -> None:
    found = backtest_probabilities(
        probability=floats(0.9, 0.6, 0.6, 0.1), happened=np.array([True, True, False, False])
    )
    assert found.brier.value == pytest.approx((0.01 + 0.16 + 0.36 + 0.01) / 4)
    assert found.reference_brier.value == 0.25
    assert found.auc.value == pytest.approx(3.5 / 4)
    assert found.ratio.value == pytest.approx(2 / 2.2)
    assert [tenth.customers for tenth in found.tenths] == [1] * 4
    assert [tenth.observed for tenth in found.tenths] == [1, 1, 0, 0]


def test_the_area_is_that_of_scikit_learn_with_ties_too() -> None:
    draws = np.random.default_rng(1)
    probability = draws.integers(0, 20, 500) / 20
    happened = draws.random(500) < probability
    found = backtest_probabilities(probability=probability, happened=happened)
    assert found.auc.value == pytest.approx(roc_auc_score(happened, probability))
    assert found.auc.low < found.auc.value < found.auc.high


def test_intervals_hold_the_truth_nineteen_times_of_twenty() -> None:
    draws = np.random.default_rng(2)
    held = {"probability": 0, "count": 0}
    for _ in range(400):
        p = draws.uniform(0.0, 0.3, 300)
        ratio = backtest_probabilities(probability=p, happened=draws.random(300) < p).ratio
        held["probability"] += ratio.low <= 1 <= ratio.high
        mean = draws.gamma(1.0, 1.0, 300)
        ratio = backtest_counts(
            expected=mean, observed=draws.poisson(mean * draws.gamma(1.0, 1.0, 300)).astype(float)
        ).ratio
        held["count"] += ratio.low <= 1 <= ratio.high
    assert 0.92 <= held["probability"] / 400 <= 1.0
    assert 0.91 <= held["count"] / 400 <= 0.99


def test_tenths_are_from_the_highest_and_as_even_as_they_can_be() -> None:
    found = backtest_counts(expected=np.arange(25.0), observed=np.arange(25.0) * 2)
    assert [tenth.customers for tenth in found.tenths] == [3] * 5 + [2] * 5
    assert found.tenths[0].expected == 23.0
    assert found.tenths[0].observed == 46.0
    assert found.ratio.value == 2.0
    assert (found.ratio.low, found.ratio.high) == (2.0, 2.0)
    assert found.bias.value == -12.0
    assert found.mae.value == 12.0


def test_coverage_counts_both_ends_in() -> None:
    found = backtest_intervals(low=floats(1, 1, 1, 1), high=floats(2, 2, 2, 2), observed=floats(1, 2, 2.5, 0))
    assert found.value == 0.5
    assert (found.low, found.high) == wilson(2, 4)
    assert wilson(1, 10) == pytest.approx((0.0179, 0.4042), abs=1e-4)  # Newcombe, Stat. Med. 1998, by hand


def test_what_cannot_be_had_has_a_reason() -> None:
    nothing = backtest_probabilities(probability=floats(), happened=np.empty(0, bool))
    assert nothing.brier.reason == nothing.auc.reason == nothing.ratio.reason == "no_rows"
    assert backtest_counts(expected=floats(), observed=floats()).mae.reason == "no_rows"
    assert backtest_intervals(low=floats(), high=floats(), observed=floats()).reason == "no_rows"
    one = backtest_probabilities(probability=floats(0.0), happened=np.array([True]))
    assert (one.auc.reason, one.ratio.reason) == ("one_outcome_only", "nothing_expected")
    assert one.brier.value == 1.0
    zero = backtest_counts(expected=floats(0.0, 0.0), observed=floats(0.0, 3.0))
    assert zero.ratio.reason == "nothing_expected"
    for found in (one, zero, nothing):
        assert "NaN" not in json.dumps(asdict(found))
        assert "Infinity" not in json.dumps(asdict(found))


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="probability must be"):
        backtest_probabilities(probability=floats(1.5), happened=np.array([True]))
    with pytest.raises(ValueError, match="not finite"):
        backtest_counts(expected=floats(np.nan), observed=floats(1.0))
    with pytest.raises(ValueError, match="expected must be"):
        backtest_counts(expected=floats(-1.0), observed=floats(1.0))
    with pytest.raises(ValueError, match="one entry a customer"):
        backtest_intervals(low=floats(1.0), high=floats(1.0, 2.0), observed=floats(1.0))
