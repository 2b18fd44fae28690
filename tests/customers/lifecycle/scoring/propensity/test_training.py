"""Selection of the candidate, too little data, calibration, and stored models."""

import json

import numpy as np
import pytest

from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.metrics import auc, evaluate_scores
from customers.lifecycle.scoring.propensity.model_selection import BASELINES, CANDIDATES, bootstrap_gains
from customers.lifecycle.scoring.propensity.models.calibration import (
    assign_folds,
    fit_calibration,
    fit_centered_isotonic,
    select_calibration,
)
from customers.lifecycle.scoring.propensity.training import REASONS, PropensityModel, explain_choice, train_propensity

NAMES = ("recency_days", "orders_90", "spend", "purchase_probability")


def make_sample(n: int, *, seed: int = 1, strength: float = 1.0, cutoff: int = 0, shift: float = 0.0) -> TrainingSample:
    """Return a sample with an effect of recency; `strength` is that of the other columns.

    The purchase model's probability has the effect of recency only.
    """
    draws = np.random.default_rng([seed, cutoff])
    recency, orders, spend = draws.exponential(30, n), draws.poisson(3, n), draws.lognormal(3, 1, n)
    base = 1.0 - recency / 20
    odds = base + shift + strength * (0.8 * (orders - 3) + 1.0 * np.sin(spend / 10))
    label = draws.random(n) < 1 / (1 + np.exp(-odds))
    matrix = np.column_stack([recency, orders, spend, 1 / (1 + np.exp(-base))]).astype(np.float32)
    return TrainingSample(NAMES, matrix, label, np.arange(n), np.full(n, cutoff, np.int64))


def concatenate(*parts: TrainingSample) -> TrainingSample:
    return TrainingSample(
        NAMES,
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("matrix", "label", "customer", "cutoff")
        ),
    )


@pytest.fixture(scope="module")
def trained_model() -> PropensityModel:
    train, validation = make_sample(2000, cutoff=1), make_sample(2000, cutoff=2)
    return train_propensity(
        all_rows=concatenate(train, validation),
        train=train,
        validation=validation,
        purchase_model_column="purchase_probability",
    )


def test_a_model_wins_if_more_than_recency_has_an_effect(trained_model):
    test = make_sample(4000, seed=9, cutoff=3)
    assert trained_model.reason == "best_candidate"
    assert trained_model.winner in set(CANDIDATES) - set(BASELINES)
    assert {result.name for result in trained_model.results} == set(CANDIDATES) - {"rate"}
    metrics = evaluate_scores(score=trained_model.score(test.matrix), label=test.label)
    assert metrics.auc > auc(score=-test.matrix[:, 0].astype(float), label=test.label) + 0.05
    assert np.abs(metrics.curve.predicted - metrics.curve.actual).max() < 0.08
    assert trained_model.details["evaluated_by"] == "time"


def test_the_baseline_wins_if_nothing_beats_it():
    sample = make_sample(1500, strength=0.0)
    model = train_propensity(all_rows=sample, purchase_model_column="purchase_probability")
    assert model.reason == "baseline_not_beaten"
    assert model.winner in ("recency", "purchase_model")
    assert model.details["evaluated_by"] == "customers"
    assert {result.name for result in model.results} == set(CANDIDATES) - {"rate"}


def test_without_an_evaluation_at_a_later_time_the_purchase_model_has_a_share():
    model = train_propensity(all_rows=make_sample(1500), purchase_model_column="purchase_probability")
    assert model.details["evaluated_by"] == "customers"
    assert (model.winner, model.details["purchase_model_share"]) == ("ensemble", 0.4)
    without_purchase_model = train_propensity(all_rows=make_sample(1500))
    assert without_purchase_model.details["purchase_model_share"] == 0.0


def test_a_serialized_model_scores_and_explains_the_same(trained_model, tmp_path):
    arrays, metadata = trained_model.serialize()
    np.savez(tmp_path / "model.npz", **arrays)
    text = json.dumps(metadata, allow_nan=False)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as stored:
        rebuilt = PropensityModel.deserialize(dict(stored), json.loads(text))
    matrix = make_sample(200, seed=5).matrix
    assert np.array_equal(rebuilt.score(matrix), trained_model.score(matrix))
    assert np.array_equal(rebuilt.explain(matrix).effect, trained_model.explain(matrix).effect)
    assert rebuilt.results == trained_model.results
    assert np.array_equal(rebuilt.measure_drift(matrix)[0], trained_model.measure_drift(matrix)[0])
    with pytest.raises(ValueError, match="version"):
        PropensityModel.deserialize(arrays, metadata | {"version": 0})


def test_the_same_seed_trains_the_same_model():
    sample = make_sample(600)
    matrix = make_sample(100, seed=4).matrix
    first, second = (train_propensity(all_rows=sample, seed=7) for _ in range(2))
    assert np.array_equal(first.score(matrix), second.score(matrix))
    assert first.results == second.results


@pytest.mark.parametrize(("label", "reason"), [(False, "few_positives"), (True, "few_negatives")])
def test_too_few_of_one_outcome_fall_back_to_the_purchase_model(label, reason):
    sample = make_sample(300)
    rare = TrainingSample(NAMES, sample.matrix, (np.arange(300) < 49) ^ label, sample.customer, sample.cutoff)
    model = train_propensity(all_rows=rare, purchase_model_column="purchase_probability")
    assert (model.winner, model.reason) == ("purchase_model", reason)
    assert model.score(sample.matrix) == pytest.approx(sample.matrix[:, 3], abs=2e-6)
    without_purchase_model = train_propensity(all_rows=rare)
    assert (without_purchase_model.winner, without_purchase_model.model, without_purchase_model.reason) == (
        None,
        None,
        reason,
    )
    with pytest.raises(ValueError, match=reason):
        without_purchase_model.score(sample.matrix)
    arrays, metadata = without_purchase_model.serialize()
    assert PropensityModel.deserialize(arrays, metadata).winner is None


def test_many_cutoffs_of_few_customers_are_too_few_customers():
    sample = make_sample(40)
    model = train_propensity(all_rows=concatenate(*(make_sample(40, cutoff=cutoff) for cutoff in range(10))))
    assert model.customers == len(sample)
    assert model.reason == "few_positives"


def test_no_rows_give_a_reason():
    for model in (train_propensity(all_rows=None), train_propensity(all_rows=make_sample(0))):
        assert model.reason in REASONS
        assert model.winner is None


def test_a_small_training_part_is_replaced_by_folds_of_customers():
    sample = make_sample(600)
    model = train_propensity(all_rows=sample, train=sample.select(np.arange(20)), validation=sample)
    assert model.details["evaluated_by"] == "customers"


def test_separable_and_constant_columns_give_finite_scores():
    n = 400
    matrix = np.column_stack([np.arange(n), np.zeros(n), np.zeros(n), np.full(n, 0.5)]).astype(np.float32)
    sample = TrainingSample(NAMES, matrix, np.arange(n) < 200, np.arange(n), np.zeros(n, np.int64))
    score = train_propensity(all_rows=sample, purchase_model_column="purchase_probability").score(matrix)
    assert np.isfinite(score).all()
    assert (score > 0).all()
    assert (score < 1).all()
    assert score[:150].min() > score[250:].max()


def test_an_invalid_matrix_is_rejected(trained_model):
    with pytest.raises(ValueError, match="shape"):
        trained_model.score(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="finite"):
        trained_model.score(np.full((2, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match="purchase_model_column"):
        train_propensity(all_rows=make_sample(200), purchase_model_column="nothing")


def test_drift_is_measured_in_the_column_that_changed(trained_model):
    matrix = make_sample(3000, seed=6).matrix
    index, score_index = trained_model.measure_drift(matrix)
    assert index.max() < 0.1
    assert score_index < 0.1
    matrix[:, 1] += 3
    assert trained_model.measure_drift(matrix)[0][1] > 0.25


def test_platt_recovers_the_line():
    draws = np.random.default_rng(1)
    odds = draws.normal(0, 2, 40_000)
    label = draws.random(40_000) < 1 / (1 + np.exp(-(0.5 + 0.6 * odds)))
    calibration = fit_calibration(kind="platt", probability=1 / (1 + np.exp(-odds)), label=label)
    assert calibration.x == pytest.approx([0.5, 0.6], abs=0.05)
    inverted = fit_calibration(kind="platt", probability=1 / (1 + np.exp(odds)), label=label)
    assert inverted.x[1] == 1.0
    assert inverted.apply(1 / (1 + np.exp(odds))).mean() == pytest.approx(label.mean(), abs=0.01)


def test_isotonic_blocks_are_connected_at_their_means():
    x = np.arange(8.0)
    label = np.array([0, 0, 1, 0, 1, 0, 1, 1], bool)
    middle, share = fit_centered_isotonic(x=x, label=label, increasing=True)
    assert middle.tolist() == [0.5, 3.5, 6.5]
    assert share == pytest.approx([0.5 / 3, 2.5 / 5, 2.5 / 3])
    middle, share = fit_centered_isotonic(x=-x, label=label, increasing=False)
    assert middle.tolist() == [-6.5, -3.5, -0.5]
    assert share == pytest.approx([2.5 / 3, 2.5 / 5, 0.5 / 3])


def test_good_probabilities_are_not_calibrated_and_bad_ones_are():
    draws = np.random.default_rng(2)
    probability = draws.random(6000)
    rows = {"group": np.arange(6000), "cutoff": np.repeat([1, 2], 3000), "seed": 1}
    calibration_of_good = select_calibration(probability=probability, label=draws.random(6000) < probability, **rows)
    assert calibration_of_good.kind == "none"
    calibration_of_bad = select_calibration(
        probability=probability, label=draws.random(6000) < 0.1 + 0.2 * (probability > 0.5), **rows
    )
    assert calibration_of_bad.kind == "isotonic"
    assert (np.diff(calibration_of_bad.apply(np.linspace(0, 1, 100))) >= 0).all()
    assert select_calibration(probability=probability, label=np.zeros(6000, bool), **rows).kind == "none"


def test_equal_candidates_gain_nothing_and_a_better_one_gains_significantly():
    sample = make_sample(1000)
    truth = np.where(sample.label, 0.8, 0.2)
    random_scores = np.random.default_rng(1).random(1000)
    equal_gain, better_gain = bootstrap_gains(
        [random_scores, random_scores, truth], [random_scores, random_scores, truth], sample, seed=1
    )
    assert equal_gain == ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert better_gain[0][1] > 0
    assert better_gain[1][0] == pytest.approx(1 - auc(score=random_scores, label=sample.label))


def test_folds_keep_a_customers_rows_together():
    group = np.array([5, 9, 5, 7, 9, 1, 1])
    fold = assign_folds(group, 3, 1)
    assert all(len(np.unique(fold[group == customer])) == 1 for customer in group)
    assert np.bincount(assign_folds(np.arange(10), 5, 1)).tolist() == [2] * 5


@pytest.mark.parametrize(
    ("served", "winner", "reason"),
    [
        ("boosting", "boosting", "best_candidate"),
        ("recency", "recency", "baseline_not_beaten"),
        ("purchase_model", "purchase_model", "baseline_not_beaten"),
        ("purchase_model", "boosting", "purchase_model_later"),
    ],
)
def test_the_reason_says_whether_the_comparison_or_the_latest_dates_decided(
    served: str, winner: str, reason: str
) -> None:
    assert explain_choice(served=served, winner=winner) == reason
