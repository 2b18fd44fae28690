"""Which level serves: none, a recalibration, or that of the season a year before; and the interval of the level."""

import numpy as np
import pytest
from scipy.special import expit

from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.levels import (
    LevelPeriod,
    LevelSelection,
    bound_probabilities,
    classify_level,
    estimate_gain,
    estimate_level_shift,
    select_level,
)
from customers.lifecycle.scoring.propensity.models.array_models import ProbabilityColumnModel

COLUMNS = {"model": 0, "purchase_model": 1}


def make_sample(period: int, *, error: float, other_error: float = 0.0, n: int = 3000) -> TrainingSample:
    """Return customers whose probability the model has wrong by `error` in log-odds, and the purchase model by `other_error`."""
    draws = np.random.default_rng([7, period + 100])
    odds = draws.normal(-0.5, 1.0, n)
    label = draws.random(n) < expit(odds)
    matrix = np.column_stack([expit(odds - error), expit(odds - other_error)]).astype(np.float32)
    return TrainingSample(("model", "purchase_model"), matrix, label, np.arange(n), np.full(n, period, np.int64))


def fit(name: str, rows: TrainingSample) -> ProbabilityColumnModel:
    return ProbabilityColumnModel(COLUMNS[name], mean=0.0)


def select(
    errors: list[float],
    *,
    seasons: list[float | None] | None = None,
    season_now: float | None = None,
    other_error: float | None = None,
) -> LevelSelection:
    """Select among periods with these errors, latest first.

    seasons, season_now: errors of a year before each period and before now. other_error: of the purchase model, None without one.
    """
    train = make_sample(0, error=0.0)
    periods = [
        LevelPeriod(
            train,
            make_sample(-index, error=error, other_error=other_error or 0.0),
            None
            if seasons is None or seasons[index] is None
            else make_sample(-index - 50, error=seasons[index] or 0.0),
        )
        for index, error in enumerate(errors)
    ]
    return select_level(
        candidates=("model",) if other_error is None else ("model", "purchase_model"),
        fit=fit,
        all_rows=train,
        periods=periods,
        season=None if season_now is None else make_sample(-99, error=season_now),
    )


def test_a_recalibration_serves_if_it_was_better_on_the_two_latest_periods():
    selection = select([0.6, 0.6, 0.6])
    assert selection.candidate == "model"
    assert selection.summary["adjustment"] in ("shift", "platt", "isotonic")
    calibrated = selection.calibration.apply(np.array([0.3]))
    assert calibrated == pytest.approx(expit(np.log(0.3 / 0.7) + 0.6), abs=0.04)
    assert selection.summary["shift"] < select([0.6, -0.6, 0.6]).summary["shift"]


@pytest.mark.parametrize("errors", [[-0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5], [0.0] * 4])
def test_no_recalibration_serves_if_it_was_worse_on_one_of_them(errors):
    selection = select(errors)
    assert (selection.candidate, selection.summary["adjustment"]) == ("model", "none")
    assert selection.calibration.kind == "none"


def test_no_recalibration_serves_if_it_would_have_been_worse_a_year_before():
    assert select([0.5] * 4, season_now=0.5).summary["adjustment"] != "none"
    assert select([0.5] * 4, season_now=-0.5).summary["adjustment"] == "none"


@pytest.mark.parametrize("errors", [[], [0.8], [0.8, 0.8]])
def test_with_too_few_periods_the_winner_serves_as_it_is(errors):
    selection = select(errors)
    assert (selection.candidate, selection.calibration.kind) == ("model", "none")
    assert (selection.scores is None) == (not errors)
    assert len(selection.summary["periods"]) == len(errors)


def test_the_purchase_model_serves_if_the_winner_is_further_from_the_actual_level():
    selection = select([0.8, 0.8], other_error=0.1)
    assert (selection.candidate, selection.summary["adjustment"]) == ("purchase_model", "none")
    assert select([0.8], other_error=0.1).candidate == "model"


def test_the_level_of_the_season_serves_if_it_was_better_in_all_periods():
    errors = [0.7, -0.7, 0.6]
    selection = select(errors, seasons=[0.7, -0.7, 0.6], season_now=-0.5)
    assert (selection.candidate, selection.summary["adjustment"]) == ("model", "season")
    assert selection.calibration.x[0] == pytest.approx(-0.5, abs=0.1)
    assert select(errors, seasons=[-0.7, 0.7, 0.6], season_now=-0.5).summary["adjustment"] == "none"
    assert select(errors, seasons=[0.7, None, None], season_now=-0.5).summary["adjustment"] == "none"
    assert select(errors, seasons=[0.7, -0.7, 0.6]).summary["adjustment"] == "none", "unknown a year before now"


def test_the_summary_describes_every_period_and_option():
    summary = select([0.2, 0.2, 0.2]).summary
    (serving,) = [option for option in summary["options"] if option["serves"]]
    assert serving["adjustment"] == summary["adjustment"]
    assert [period["customers"] for period in summary["periods"]] == [3000] * 3
    assert all(len(option["brier"]) == len(option["gains"]) for option in summary["options"])
    unadjusted = next(option for option in summary["options"] if option["adjustment"] == "none")
    assert unadjusted["gains"] == [[0.0, 0.0, 0.0]] * 3


def test_the_interval_is_wider_where_levels_differ_or_are_unknown():
    unknown, known, differing = (
        estimate_level_shift([]),
        estimate_level_shift([0.05] * 4),
        estimate_level_shift([0.7, -0.7]),
    )
    assert known < unknown < differing
    low, high = bound_probabilities(np.array([0.2, 0.5]), differing)
    assert (low < [0.2, 0.5]).all()
    assert (high > [0.2, 0.5]).all()
    assert classify_level(mean=0.4, shift=known, n_periods=4) == ""
    assert classify_level(mean=0.4, shift=differing, n_periods=2) == "levels_differ"
    assert classify_level(mean=0.4, shift=known, n_periods=1) == "few_periods"


def test_the_rows_of_a_customer_count_as_one_observation():
    reduction = np.random.default_rng(1).normal(0.1, 1.0, 400)
    alone = estimate_gain(reduction, np.arange(400))
    repeated = estimate_gain(np.repeat(reduction, 4), np.repeat(np.arange(400), 4))
    assert repeated == pytest.approx(alone)
