"""Which candidate wins, what is done with too little, and that what is kept scores the same."""

import json

import numpy as np
import pytest

from customers.lifecycle.scoring.propensity.features.samples import Sample
from customers.lifecycle.scoring.propensity.metrics import auc, judge
from customers.lifecycle.scoring.propensity.model_selection import CANDIDATES, SIMPLE, paired_gains
from customers.lifecycle.scoring.propensity.models.calibration import (
    centred_isotonic,
    choose_calibration,
    fit_calibration,
    folds_of,
)
from customers.lifecycle.scoring.propensity.training import REASONS, Propensity, learn_propensity

NAMES = ("recency_days", "orders_90", "spend", "buying_probability")


def make_sample(n: int, *, seed: int = 1, strength: float = 1.0, cut: int = 0, shift: float = 0.0) -> Sample:
    """Recency tells something, the other columns as much as `strength` says; the given probability is what recency tells."""
    draws = np.random.default_rng([seed, cut])
    recency, orders, spend = draws.exponential(30, n), draws.poisson(3, n), draws.lognormal(3, 1, n)
    base = 1.0 - recency / 20
    odds = base + shift + strength * (0.8 * (orders - 3) + 1.0 * np.sin(spend / 10))
    label = draws.random(n) < 1 / (1 + np.exp(-odds))
    matrix = np.column_stack([recency, orders, spend, 1 / (1 + np.exp(-base))]).astype(np.float32)
    return Sample(NAMES, matrix, label, np.arange(n), np.full(n, cut, np.int64))


def joined(*parts: Sample) -> Sample:
    return Sample(
        NAMES,
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("matrix", "label", "customer", "cut")),
    )


@pytest.fixture(scope="module")
def rich() -> Propensity:
    train, validation = make_sample(2000, cut=1), make_sample(2000, cut=2)
    return learn_propensity(
        every=joined(train, validation), train=train, validation=validation, given="buying_probability"
    )


def test_a_model_wins_where_there_is_more_to_know_than_recency(rich):
    test = make_sample(4000, seed=9, cut=3)
    assert rich.reason == "best_candidate"
    assert rich.winner in set(CANDIDATES) - set(SIMPLE)
    assert {one.name for one in rich.judged} == set(CANDIDATES) - {"rate"}
    found = judge(score=rich.score(test.matrix), label=test.label)
    assert found.auc > auc(score=-test.matrix[:, 0].astype(float), label=test.label) + 0.05
    assert np.abs(found.curve.said - found.curve.happened).max() < 0.08
    assert rich.facts["judged_by"] == "time"


def test_the_simple_one_wins_where_nothing_beats_it():
    sample = make_sample(1500, strength=0.0)
    found = learn_propensity(every=sample, given="buying_probability")
    assert found.reason == "simple_not_beaten"
    assert found.winner in ("recency", "buying")
    assert found.facts["judged_by"] == "customers"
    assert {one.name for one in found.judged} == set(CANDIDATES) - {"rate"}


def test_without_a_later_moment_to_be_judged_by_the_buying_process_has_its_share():
    found = learn_propensity(every=make_sample(1500), given="buying_probability")
    assert found.facts["judged_by"] == "customers"
    assert (found.winner, found.facts["buying_share"]) == ("blend", 0.4)
    alone = learn_propensity(every=make_sample(1500))
    assert alone.facts["buying_share"] == 0.0


def test_what_is_kept_scores_and_reasons_the_same(rich, tmp_path):
    arrays, plain = rich.to_saved()
    np.savez(tmp_path / "kept.npz", **arrays)
    text = json.dumps(plain, allow_nan=False)
    with np.load(tmp_path / "kept.npz", allow_pickle=False) as kept:
        again = Propensity.from_saved(dict(kept), json.loads(text))
    matrix = make_sample(200, seed=5).matrix
    assert np.array_equal(again.score(matrix), rich.score(matrix))
    assert np.array_equal(again.reasons(matrix).effect, rich.reasons(matrix).effect)
    assert again.judged == rich.judged
    assert np.array_equal(again.drift(matrix)[0], rich.drift(matrix)[0])
    with pytest.raises(ValueError, match="version"):
        Propensity.from_saved(arrays, plain | {"version": 0})


def test_the_same_seed_learns_the_same():
    sample = make_sample(600)
    matrix = make_sample(100, seed=4).matrix
    first, second = (learn_propensity(every=sample, seed=7) for _ in range(2))
    assert np.array_equal(first.score(matrix), second.score(matrix))
    assert first.judged == second.judged


@pytest.mark.parametrize(("label", "reason"), [(False, "few_positives"), (True, "few_negatives")])
def test_too_few_of_one_outcome_leave_it_to_the_buying_process(label, reason):
    sample = make_sample(300)
    rare = Sample(NAMES, sample.matrix, (np.arange(300) < 49) ^ label, sample.customer, sample.cut)
    found = learn_propensity(every=rare, given="buying_probability")
    assert (found.winner, found.reason) == ("buying", reason)
    assert found.score(sample.matrix) == pytest.approx(sample.matrix[:, 3], abs=2e-6)
    alone = learn_propensity(every=rare)
    assert (alone.winner, alone.model, alone.reason) == (None, None, reason)
    with pytest.raises(ValueError, match=reason):
        alone.score(sample.matrix)
    arrays, plain = alone.to_saved()
    assert Propensity.from_saved(arrays, plain).winner is None


def test_many_cuts_of_few_customers_are_still_few():
    sample = make_sample(40)
    found = learn_propensity(every=joined(*(make_sample(40, cut=cut) for cut in range(10))))
    assert found.customers == len(sample)
    assert found.reason == "few_positives"


def test_no_rows_have_a_reason():
    for found in (learn_propensity(every=None), learn_propensity(every=make_sample(0))):
        assert found.reason in REASONS
        assert found.winner is None


def test_short_training_part_is_replaced_by_folds_of_customers():
    every = make_sample(600)
    found = learn_propensity(every=every, train=every.taken(np.arange(20)), validation=every)
    assert found.facts["judged_by"] == "customers"


def test_separable_and_constant_columns_give_finite_scores():
    n = 400
    matrix = np.column_stack([np.arange(n), np.zeros(n), np.zeros(n), np.full(n, 0.5)]).astype(np.float32)
    sample = Sample(NAMES, matrix, np.arange(n) < 200, np.arange(n), np.zeros(n, np.int64))
    score = learn_propensity(every=sample, given="buying_probability").score(matrix)
    assert np.isfinite(score).all()
    assert (score > 0).all()
    assert (score < 1).all()
    assert score[:150].min() > score[250:].max()


def test_wrong_matrix_is_refused(rich):
    with pytest.raises(ValueError, match="shape"):
        rich.score(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="finite"):
        rich.score(np.full((2, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match="given"):
        learn_propensity(every=make_sample(200), given="nothing")


def test_drift_is_seen_in_the_column_that_moved(rich):
    matrix = make_sample(3000, seed=6).matrix
    index, of_scores = rich.drift(matrix)
    assert index.max() < 0.1
    assert of_scores < 0.1
    matrix[:, 1] += 3
    assert rich.drift(matrix)[0][1] > 0.25


def test_platt_finds_the_line_that_was_bent():
    draws = np.random.default_rng(1)
    odds = draws.normal(0, 2, 40_000)
    label = draws.random(40_000) < 1 / (1 + np.exp(-(0.5 + 0.6 * odds)))
    found = fit_calibration(kind="platt", chance=1 / (1 + np.exp(-odds)), label=label)
    assert found.x == pytest.approx([0.5, 0.6], abs=0.05)
    turned = fit_calibration(kind="platt", chance=1 / (1 + np.exp(odds)), label=label)
    assert turned.x[1] == 1.0
    assert turned.apply(1 / (1 + np.exp(odds))).mean() == pytest.approx(label.mean(), abs=0.01)


def test_isotonic_blocks_are_joined_at_their_middles():
    x = np.arange(8.0)
    label = np.array([0, 0, 1, 0, 1, 0, 1, 1], bool)
    middle, share = centred_isotonic(x=x, label=label, increasing=True)
    assert middle.tolist() == [0.5, 3.5, 6.5]
    assert share == pytest.approx([0.5 / 3, 2.5 / 5, 2.5 / 3])
    middle, share = centred_isotonic(x=-x, label=label, increasing=False)
    assert middle.tolist() == [-6.5, -3.5, -0.5]
    assert share == pytest.approx([2.5 / 3, 2.5 / 5, 0.5 / 3])


def test_calibration_is_left_alone_where_it_is_right_and_bent_where_it_is_wrong():
    draws = np.random.default_rng(2)
    chance = draws.random(6000)
    rows = {"group": np.arange(6000), "cut": np.repeat([1, 2], 3000), "seed": 1}
    right = choose_calibration(chance=chance, label=draws.random(6000) < chance, **rows)
    assert right.kind == "none"
    wrong = choose_calibration(chance=chance, label=draws.random(6000) < 0.1 + 0.2 * (chance > 0.5), **rows)
    assert wrong.kind == "isotonic"
    assert (np.diff(wrong.apply(np.linspace(0, 1, 100))) >= 0).all()
    assert choose_calibration(chance=chance, label=np.zeros(6000, bool), **rows).kind == "none"


def test_gains_of_the_same_are_nothing_and_of_the_better_one_are_sure():
    sample = make_sample(1000)
    truth = np.where(sample.label, 0.8, 0.2)
    coin = np.random.default_rng(1).random(1000)
    same, better = paired_gains([coin, coin, truth], [coin, coin, truth], sample, seed=1)
    assert same == ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert better[0][1] > 0
    assert better[1][0] == pytest.approx(1 - auc(score=coin, label=sample.label))


def test_folds_keep_a_customers_rows_together():
    group = np.array([5, 9, 5, 7, 9, 1, 1])
    fold = folds_of(group, 3, 1)
    assert all(len(np.unique(fold[group == one])) == 1 for one in group)
    assert np.bincount(folds_of(np.arange(10), 5, 1)).tolist() == [2] * 5
