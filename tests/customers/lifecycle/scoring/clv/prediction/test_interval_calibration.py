"""Nominal levels by frequency class and horizon, and their effect on intervals."""

import json

import numpy as np
import pytest

from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.prediction.interval_calibration import (
    UNCORRECTED,
    IntervalCalibration,
    LevelTable,
    deserialize_calibration,
    measure_yearly_rate,
    serialize_calibration,
)
from customers.lifecycle.scoring.clv.prediction.intervals import predict_intervals
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

TABLE = LevelTable(np.array([28.0, 112.0]), np.array([0.0, 10.0]), np.array([[0.7, 0.8], [0.8, 0.9]]))
MODEL, SPEND = MbgNbd(0.8, 40.0, 0.5, 2.4), GammaGamma(p=2.0, q=3.7, gamma=15.0)
GROUPS = HistoryGroups(np.array([0, 30]), np.array([0.0, 390.0]), np.full(2, 400.0), np.ones(2), np.array([0, 1]), 1.0)


def make_calibration(level: float, drift_days: float = np.inf) -> IntervalCalibration:
    table = LevelTable(np.array([365.0]), np.array([0.0]), np.array([[level]]))
    return IntervalCalibration(drift_days, {"purchases": table, "spend": table})


def test_levels_are_linear_in_the_logarithm_of_the_horizon_and_constant_outside() -> None:
    calibration = IntervalCalibration(tables={"purchases": TABLE})
    rate = np.array([3.0, 10.0])
    for days, levels in ((7, [0.7, 0.8]), (28, [0.7, 0.8]), (56, [0.75, 0.85]), (112, [0.8, 0.9]), (365, [0.8, 0.9])):
        found = calibration.find_levels(quantity="purchases", rate=rate, horizon_days=days)
        assert found.tolist() == pytest.approx(levels), days
    assert calibration.find_levels(quantity="spend", rate=rate, horizon_days=28).tolist() == [0.8, 0.8]


def test_other_levels_follow_from_the_power_that_maps_the_level_to_80_percent() -> None:
    calibration = IntervalCalibration(tables={"purchases": TABLE})
    level = calibration.find_levels(quantity="purchases", rate=np.array([3.0]), horizon_days=28, level=0.5)[0]
    assert level ** (np.log(0.8) / np.log(0.7)) == pytest.approx(0.5)


def test_the_rate_is_per_year_in_every_unit_of_time() -> None:
    weeks = HistoryGroups(np.array([5]), np.array([3.0]), np.array([10.0]), np.ones(1), np.array([0]), 7.0)
    days = HistoryGroups(np.array([5]), np.array([21.0]), np.array([70.0]), np.ones(1), np.array([0]), 1.0)
    expected = 6 / 12 * 365.25 / 7
    assert measure_yearly_rate(r=1.0, alpha=2.0, groups=weeks)[0] == pytest.approx(expected)
    assert measure_yearly_rate(r=1.0, alpha=14.0, groups=days)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    "calibration", [UNCORRECTED, IntervalCalibration(130.0, {"purchases": TABLE}), make_calibration(0.9, 65.0)]
)
def test_a_calibration_survives_json(calibration: IntervalCalibration) -> None:
    saved = serialize_calibration(calibration)
    again = deserialize_calibration(json.loads(json.dumps(saved, allow_nan=False)))
    assert serialize_calibration(again) == saved
    assert again.drift_days == calibration.drift_days


def test_parameters_of_earlier_releases_are_not_corrected() -> None:
    assert deserialize_calibration(None) is UNCORRECTED


def test_a_larger_level_or_drift_widens_the_intervals_of_a_frequent_buyer() -> None:
    plain, wide, drifting = (
        predict_intervals(model=MODEL, spend=SPEND, groups=GROUPS, horizon=365.0, calibration=calibration)
        for calibration in (UNCORRECTED, make_calibration(0.9), make_calibration(0.8, 130.0))
    )
    for wider in (wide, drifting):
        assert wider.purchases_low[1] < plain.purchases_low[1]
        assert wider.purchases_high[1] > plain.purchases_high[1]
        assert plain.spend_low is not None
        assert plain.spend_high is not None
        assert wider.spend_low is not None
        assert wider.spend_high is not None
        assert wider.spend_low[1] < plain.spend_low[1]
        assert wider.spend_high[1] > plain.spend_high[1]
        assert wider.spend_probability is not None
        assert wider.spend_probability[1] == 0.8
        assert wider.purchases_probability[1] == pytest.approx(0.8, abs=0.03)


def test_the_probability_of_no_purchase_is_corrected_like_the_level() -> None:
    sleeper = HistoryGroups(np.array([1]), np.array([5.0]), np.array([400.0]), np.ones(1), np.array([0]), 1.0)
    plain, narrow, wide = (
        predict_intervals(model=MODEL, spend=SPEND, groups=sleeper, horizon=365.0, calibration=calibration)
        for calibration in (UNCORRECTED, make_calibration(0.7), make_calibration(0.85))
    )
    none = plain.purchases_probability[0]
    assert plain.purchases_high[0] == narrow.purchases_high[0] == wide.purchases_high[0] == 0
    assert narrow.purchases_probability[0] == pytest.approx(none ** (np.log(0.8) / np.log(0.7)))
    assert wide.purchases_probability[0] < none < narrow.purchases_probability[0]
