"""Uplift: worked values of the Qini curve and of targeting, and learners on customers whose effects are known."""

import numpy as np
import pytest

from recommendations.measurement.statistics.uplift.cross_fitting import TrainingRows
from recommendations.measurement.statistics.uplift.qini import (
    bootstrap_qini,
    compute_auuc,
    compute_qini_coefficient,
    compute_qini_curve,
    compute_uplift_at,
)
from recommendations.measurement.statistics.uplift.registry import LEARNERS
from recommendations.measurement.statistics.uplift.selection import (
    ChosenLearner,
    compute_gain_area,
    fit_and_choose,
)
from recommendations.measurement.statistics.uplift.targeting import choose_targets, evaluate_targeting

TREATED = np.array([True, False, True, False, True, False])
OUTCOME = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
SCORE = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])


def test_the_qini_curve_of_six_customers_equals_that_by_hand() -> None:
    curve = compute_qini_curve(TREATED, OUTCOME, SCORE)
    assert curve.count.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert curve.gain.tolist() == [0, 1, 1, 2, 2, 2, 1]
    # area 8.5 − 3 of the random line; the perfect order has (0, 0), (2, 2), (5, 2), (6, 1): 9.5 − 3
    assert compute_qini_coefficient(TREATED, OUTCOME, SCORE) == pytest.approx(5.5 / 6.5)
    assert compute_qini_coefficient(TREATED, OUTCOME, np.zeros(6)) == 0
    assert compute_auuc(TREATED, OUTCOME, np.where(TREATED, OUTCOME, -OUTCOME)) == pytest.approx(1)


def test_uplift_at_a_share_counts_only_the_top() -> None:
    assert compute_uplift_at(TREATED, OUTCOME, SCORE, share=0.5) == pytest.approx(1.0)
    assert compute_uplift_at(TREATED, OUTCOME, SCORE, share=1.0) == pytest.approx(2 / 3 - 1 / 3)


def test_several_campaigns_without_an_effect_show_none() -> None:
    # of 40 and 200 customers, 50% and 10% were held out; 20% and 5% of both groups ordered
    propensity = np.repeat([0.5, 0.9], [40, 200])
    treated = np.repeat([True, False, True, False], [20, 20, 180, 20])
    outcome = np.concatenate(
        [np.arange(n) < round(n * rate) for n, rate in [(20, 0.2), (20, 0.2), (180, 0.05), (20, 0.05)]]
    )
    score = np.where(propensity < 0.9, 1.0, 0.0)
    test = treated, outcome.astype(np.float64), score, propensity
    assert compute_qini_curve(*test).gain.tolist() == pytest.approx([0, 0, 0])
    assert compute_qini_coefficient(*test) == pytest.approx(0)
    assert compute_auuc(*test) == pytest.approx(0)
    assert compute_uplift_at(*test, share=1.0) == pytest.approx(0)
    without = treated, outcome.astype(np.float64), score
    assert compute_qini_coefficient(*without) > 0.05
    assert compute_uplift_at(*without, share=1.0) == pytest.approx(-0.06)


def test_the_same_propensity_everywhere_changes_nothing() -> None:
    propensity = np.full(6, 0.8)
    assert compute_qini_curve(TREATED, OUTCOME, SCORE, propensity).gain.tolist() == pytest.approx([0, 1, 1, 2, 2, 2, 1])
    assert compute_uplift_at(TREATED, OUTCOME, SCORE, propensity, share=1.0) == pytest.approx(1 / 3)
    assert compute_auuc(TREATED, OUTCOME, SCORE, propensity) == pytest.approx(compute_auuc(TREATED, OUTCOME, SCORE))


def test_all_rows_of_a_person_are_drawn_together() -> None:
    rng = np.random.default_rng(1)
    treated, outcome, score = rng.random(60) < 0.5, (rng.random(60) < 0.3).astype(np.float64), rng.random(60)
    once = bootstrap_qini(treated, outcome, score, seed=1, draws=200)
    four = [np.repeat(values, 4) for values in (treated, outcome, score)]
    alone = bootstrap_qini(*four, seed=1, draws=200)
    together = bootstrap_qini(*four, seed=1, draws=200, person=np.repeat(np.arange(60), 4))
    assert together.high - together.low == pytest.approx(once.high - once.low, rel=0.01)
    assert alone.high - alone.low < 0.7 * (together.high - together.low)


def test_irr_and_nir_follow_the_published_formulas() -> None:
    treated = np.repeat([True, False], 4)
    outcome = np.array([1, 1, 0, 0, 1, 0, 0, 0], dtype=np.float64)
    result = evaluate_targeting(treated, outcome, np.ones(8, np.bool_), cost=0.15, value=10)
    assert result.irr == pytest.approx(0.25)
    assert result.nir == pytest.approx((2 * 10 - 4 * 0.15) - 10)


def test_targets_are_the_most_profitable_within_budget_and_caps() -> None:
    margin = np.array([0.5, 3.0, -1.0, 2.0, 0.9])
    allowed = np.array([True, True, True, False, True])
    assert choose_targets(margin, cost=0.8).chosen.tolist() == [False, True, False, True, True]
    assert choose_targets(margin, cost=0.8, budget=1.7, allowed=allowed).chosen.tolist() == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert choose_targets(margin, cost=0.8, limit=1).expected_margin == 3.0
    explored = choose_targets(np.linspace(0, 1, 1000), cost=0.5, exploration=0.1, seed=2)
    assert explored.explored.sum() == 50
    assert explored.chosen.sum() == 500
    assert explored.chosen[:500].any()
    assert explored.displaced.sum() == explored.chosen[:500].sum()  # whose places the explored with less margin have
    assert not (explored.displaced & explored.chosen).any()
    assert not choose_targets(margin, cost=0.8, limit=1).displaced.any()


@pytest.fixture(scope="module")
def customers() -> TrainingRows:
    """Return customers of whom those with the first feature above .5 buy more, and those below −.5 less, after a message."""
    rng = np.random.default_rng(8)
    n = 10_000
    matrix = rng.normal(size=(n, 3))
    matrix[rng.random(n) < 0.05, 1] = np.nan
    treated = rng.random(n) < 0.5
    effect = np.where(matrix[:, 0] > 0.5, 0.2, np.where(matrix[:, 0] < -0.5, -0.1, 0.0))
    outcome = (rng.random(n) < 0.2 + treated * effect).astype(np.float64)
    return TrainingRows(matrix, treated, outcome, np.full(n, 0.5))


@pytest.fixture(scope="module")
def chosen(customers: TrainingRows) -> ChosenLearner:
    return fit_and_choose(customers.select(np.arange(len(customers)) < 6000))


@pytest.mark.parametrize("name", list(LEARNERS))
def test_learners_find_whom_the_message_moves(name: str, chosen: ChosenLearner, customers: TrainingRows) -> None:
    others = customers.select(np.arange(len(customers)) >= 6000)
    effect = chosen.learners[name].predict(others.matrix)
    qini = bootstrap_qini(others.treated, others.outcome, effect, seed=1, draws=30)
    assert qini.low > 0
    assert qini.low <= qini.value <= qini.high
    plan = choose_targets(effect, cost=0.03)
    sleeping_dogs, persuadable = others.matrix[:, 0] < -0.6, others.matrix[:, 0] > 0.6
    assert plan.chosen[sleeping_dogs].mean() < 0.05
    assert plan.chosen[persuadable].mean() > 0.9
    assert effect[persuadable].mean() == pytest.approx(0.2, abs=0.06)


def test_the_learner_is_chosen_by_gain_on_customers_that_it_has_not_seen(chosen: ChosenLearner) -> None:
    assert chosen.best == max(chosen.scores, key=lambda name: chosen.scores[name])
    effects = np.array([3.0, 2.0, 1.0])
    assert (
        compute_gain_area(np.array([3.0, 2.0, 1.0]), effects)
        > 0
        > compute_gain_area(np.array([1.0, 2.0, 3.0]), effects)
    )
    assert compute_gain_area(np.zeros(3), effects) == pytest.approx(0)


def test_all_rows_of_a_person_are_in_one_fold() -> None:
    person = np.random.default_rng(1).integers(0, 40, 200)
    rows = TrainingRows(np.zeros((200, 1)), np.ones(200, np.bool_), np.zeros(200), np.full(200, 0.5), person)
    fold = rows.select(np.arange(200) >= 20).draw_folds(4, seed=3)
    folds_of_person = {number: set(fold[person[20:] == number].tolist()) for number in range(40)}
    assert all(len(folds) <= 1 for folds in folds_of_person.values())
    assert set(fold.tolist()) == {0, 1, 2, 3}
