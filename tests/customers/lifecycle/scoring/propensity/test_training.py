"""Which candidate wins, what is done with too little, and that what is kept scores the same."""

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
from customers.lifecycle.scoring.propensity.training import REASONS, PropensityModel, train_propensity

NAMES = ("recency_days", "orders_90", "spend", "buying_probability")


def make_sample(n: int, *, seed: int = 1, strength: float = 1.0, cut: int = 0, shift: float = 0.0) -> TrainingSample:
    """Recency tells something, the other columns as much as `strength` says; the given probability is what recency tells."""
    draws = np.random.default_rng([seed, cut])
    recency, orders, spend = draws.exponential(30, n), draws.poisson(3, n), draws.lognormal(3, 1, n)
    base = 1.0 - recency / 20
    odds = base + shift + strength * (0.8 * (orders - 3) + 1.0 * np.sin(spend / 10))
    label = draws.random(n) < 1 / (1 + np.exp(-odds))
    matrix = np.column_stack([recency, orders, spend, 1 / (1 + np.exp(-base))]).astype(np.float32)
    return TrainingSample(NAMES, matrix, label, np.arange(n), np.full(n, cut, np.int64))


def joined(*parts: TrainingSample) -> TrainingSample:
    return TrainingSample(
        NAMES,
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("matrix", "label", "customer", "cutoff")
        ),
    )


@pytest.fixture(scope="module")
def rich() -> PropensityModel:
    train, validation = make_sample(2000, cut=1), make_sample(2000, cut=2)
    return train_propensity(
        all_rows=joined(train, validation),
        train=train,
        validation=validation,
        purchase_model_column="buying_probability",
    )


def test_a_model_wins_where_there_is_more_to_know_than_recency(rich):
    test = make_sample(4000, seed=9, cut=3)
    assert rich.reason == "best_candidate"
    assert rich.winner in set(CANDIDATES) - set(BASELINES)
    assert {one.name for one in rich.results} == set(CANDIDATES) - {"rate"}
    found = evaluate_scores(score=rich.score(test.matrix), label=test.label)
    assert found.auc > auc(score=-test.matrix[:, 0].astype(float), label=test.label) + 0.05
    assert np.abs(found.curve.predicted - found.curve.actual).max() < 0.08
    assert rich.details["evaluated_by"] == "time"


def test_the_baseline_wins_where_nothing_beats_it():
    sample = make_sample(1500, strength=0.0)
    found = train_propensity(all_rows=sample, purchase_model_column="buying_probability")
    assert found.reason == "baseline_not_beaten"
    assert found.winner in ("recency", "purchase_model")
    assert found.details["evaluated_by"] == "customers"
    assert {one.name for one in found.results} == set(CANDIDATES) - {"rate"}


def test_without_a_later_evaluation_the_purchase_model_has_its_share():
    found = train_propensity(all_rows=make_sample(1500), purchase_model_column="buying_probability")
    assert found.details["evaluated_by"] == "customers"
    assert (found.winner, found.details["purchase_model_share"]) == ("ensemble", 0.4)
    alone = train_propensity(all_rows=make_sample(1500))
    assert alone.details["purchase_model_share"] == 0.0


def test_a_serialized_model_scores_and_explains_the_same(rich, tmp_path):
    arrays, plain = rich.serialize()
    np.savez(tmp_path / "kept.npz", **arrays)
    text = json.dumps(plain, allow_nan=False)
    with np.load(tmp_path / "kept.npz", allow_pickle=False) as kept:
        again = PropensityModel.deserialize(dict(kept), json.loads(text))
    matrix = make_sample(200, seed=5).matrix
    assert np.array_equal(again.score(matrix), rich.score(matrix))
    assert np.array_equal(again.explain(matrix).effect, rich.explain(matrix).effect)
    assert again.results == rich.results
    assert np.array_equal(again.measure_drift(matrix)[0], rich.measure_drift(matrix)[0])
    with pytest.raises(ValueError, match="version"):
        PropensityModel.deserialize(arrays, plain | {"version": 0})


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
    found = train_propensity(all_rows=rare, purchase_model_column="buying_probability")
    assert (found.winner, found.reason) == ("purchase_model", reason)
    assert found.score(sample.matrix) == pytest.approx(sample.matrix[:, 3], abs=2e-6)
    alone = train_propensity(all_rows=rare)
    assert (alone.winner, alone.model, alone.reason) == (None, None, reason)
    with pytest.raises(ValueError, match=reason):
        alone.score(sample.matrix)
    arrays, plain = alone.serialize()
    assert PropensityModel.deserialize(arrays, plain).winner is None


def test_many_cutoffs_of_few_customers_are_still_few():
    sample = make_sample(40)
    found = train_propensity(all_rows=joined(*(make_sample(40, cut=cut) for cut in range(10))))
    assert found.customers == len(sample)
    assert found.reason == "few_positives"


def test_no_rows_have_a_reason():
    for found in (train_propensity(all_rows=None), train_propensity(all_rows=make_sample(0))):
        assert found.reason in REASONS
        assert found.winner is None


def test_short_training_part_is_replaced_by_folds_of_customers():
    every = make_sample(600)
    found = train_propensity(all_rows=every, train=every.select(np.arange(20)), validation=every)
    assert found.details["evaluated_by"] == "customers"


def test_separable_and_constant_columns_give_finite_scores():
    n = 400
    matrix = np.column_stack([np.arange(n), np.zeros(n), np.zeros(n), np.full(n, 0.5)]).astype(np.float32)
    sample = TrainingSample(NAMES, matrix, np.arange(n) < 200, np.arange(n), np.zeros(n, np.int64))
    score = train_propensity(all_rows=sample, purchase_model_column="buying_probability").score(matrix)
    assert np.isfinite(score).all()
    assert (score > 0).all()
    assert (score < 1).all()
    assert score[:150].min() > score[250:].max()


def test_wrong_matrix_is_refused(rich):
    with pytest.raises(ValueError, match="shape"):
        rich.score(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="finite"):
        rich.score(np.full((2, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match="purchase_model_column"):
        train_propensity(all_rows=make_sample(200), purchase_model_column="nothing")


def test_drift_is_seen_in_the_column_that_moved(rich):
    matrix = make_sample(3000, seed=6).matrix
    index, of_scores = rich.measure_drift(matrix)
    assert index.max() < 0.1
    assert of_scores < 0.1
    matrix[:, 1] += 3
    assert rich.measure_drift(matrix)[0][1] > 0.25


def test_platt_finds_the_line_that_was_bent():
    draws = np.random.default_rng(1)
    odds = draws.normal(0, 2, 40_000)
    label = draws.random(40_000) < 1 / (1 + np.exp(-(0.5 + 0.6 * odds)))
    found = fit_calibration(kind="platt", probability=1 / (1 + np.exp(-odds)), label=label)
    assert found.x == pytest.approx([0.5, 0.6], abs=0.05)
    turned = fit_calibration(kind="platt", probability=1 / (1 + np.exp(odds)), label=label)
    assert turned.x[1] == 1.0
    assert turned.apply(1 / (1 + np.exp(odds))).mean() == pytest.approx(label.mean(), abs=0.01)


def test_isotonic_blocks_are_joined_at_their_middles():
    x = np.arange(8.0)
    label = np.array([0, 0, 1, 0, 1, 0, 1, 1], bool)
    middle, share = fit_centered_isotonic(x=x, label=label, increasing=True)
    assert middle.tolist() == [0.5, 3.5, 6.5]
    assert share == pytest.approx([0.5 / 3, 2.5 / 5, 2.5 / 3])
    middle, share = fit_centered_isotonic(x=-x, label=label, increasing=False)
    assert middle.tolist() == [-6.5, -3.5, -0.5]
    assert share == pytest.approx([2.5 / 3, 2.5 / 5, 0.5 / 3])


def test_calibration_is_kept_where_it_is_right_and_corrected_where_it_is_wrong():
    draws = np.random.default_rng(2)
    chance = draws.random(6000)
    rows = {"group": np.arange(6000), "cutoff": np.repeat([1, 2], 3000), "seed": 1}
    right = select_calibration(probability=chance, label=draws.random(6000) < chance, **rows)
    assert right.kind == "none"
    wrong = select_calibration(probability=chance, label=draws.random(6000) < 0.1 + 0.2 * (chance > 0.5), **rows)
    assert wrong.kind == "isotonic"
    assert (np.diff(wrong.apply(np.linspace(0, 1, 100))) >= 0).all()
    assert select_calibration(probability=chance, label=np.zeros(6000, bool), **rows).kind == "none"


def test_equal_candidates_gain_nothing_and_a_better_one_gains_significantly():
    sample = make_sample(1000)
    truth = np.where(sample.label, 0.8, 0.2)
    coin = np.random.default_rng(1).random(1000)
    same, better = bootstrap_gains([coin, coin, truth], [coin, coin, truth], sample, seed=1)
    assert same == ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert better[0][1] > 0
    assert better[1][0] == pytest.approx(1 - auc(score=coin, label=sample.label))


def test_folds_keep_a_customers_rows_together():
    group = np.array([5, 9, 5, 7, 9, 1, 1])
    fold = assign_folds(group, 3, 1)
    assert all(len(np.unique(fold[group == one])) == 1 for one in group)
    assert np.bincount(assign_folds(np.arange(10), 5, 1)).tolist() == [2] * 5
