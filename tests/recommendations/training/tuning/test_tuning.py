"""Choosing on data made so that the answer is known."""

from collections.abc import Iterator

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, IdMap, Interactions, Products
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.training.budget import InsufficientMemoryError, TrainingBudget, estimate_data_mb
from recommendations.training.data.time_split import split_by_time
from recommendations.training.evaluation.evaluation import evaluate_choice, find_served_algorithm
from recommendations.training.runs import TrainingCancelledError
from recommendations.training.tuning.model_choice import ModelChoice, measure_size
from recommendations.training.tuning.search_space import CANDIDATES
from recommendations.training.tuning.tuning import tune_model

DAY = 86_400.0
PEOPLE, ITEMS, DAYS = 60, 40, 140


def make_habits(*, views: bool = False) -> Interactions:
    """Everybody buys their own five products again and again; with views, they look at the next purchase a day before it."""
    draws = np.random.default_rng(2)
    own = np.array([draws.choice(ITEMS, 5, replace=False) for _ in range(PEOPLE)])
    rows = []
    for person in range(PEOPLE):
        for day in range(0, DAYS, 7):
            item = draws.integers(ITEMS) if views else draws.choice(own[person])
            rows.append((person, item, day + draws.random(), "purchase"))
            if views:
                rows.append((person, item, max(day - 8, 0) + 0.5, "view"))
    user, item, days, kinds = zip(*rows, strict=True)
    return Interactions.from_rows(
        user=np.array(user),
        item=np.array(item),
        order=np.array(days) * DAY,
        kind=np.array([KIND_CODES[kind] for kind in kinds], np.int8),
        users=IdMap.of([f"{person:03d}" for person in range(PEOPLE)]),
        items=IdMap.of([f"{item:03d}" for item in range(ITEMS)]),
        as_of=DAYS * DAY,
    )


PRODUCTS = Products.of_columns({"title": [f"thing number {item}" for item in range(ITEMS)]})


class Steps:
    def __init__(self, cancel_at: str = "") -> None:
        self.seen: list[str] = []
        self.cancel_at = cancel_at

    def __call__(self, step: str, share: float) -> None:
        assert 0 <= share <= 1
        self.seen.append(step)
        if step == self.cancel_at:
            raise TrainingCancelledError


def chosen(
    interactions: Interactions, *, seconds: float = 4, memory_mb: float = 2000, steps: Steps | None = None
) -> ModelChoice:
    return tune_model(
        time_split=split_by_time(interactions),
        products=PRODUCTS,
        budget=TrainingBudget(seconds, memory_mb),
        step=steps or Steps(),
    )


def test_a_habit_is_found_and_every_trial_is_kept() -> None:
    choice = chosen(make_habits())
    assert choice.component_values["repeat"] > 2 * choice.component_values["popularity"]
    assert choice.value >= max(choice.component_values.values())
    assert sum(choice.weights.values()) == pytest.approx(1, abs=0.01)
    tried = {row["algorithm"] for row in choice.trials}
    assert {*CANDIDATES, "blend"} <= tried
    for name, described in choice.components.items():
        best = [row for row in choice.trials if row["algorithm"] == name and row["chosen"]]
        assert len(best) == 1
        assert best[0]["parameters"].items() <= described["parameters"].items()
        assert best[0]["value"] == max(row["value"] for row in choice.trials if row["algorithm"] == name)


def test_what_other_places_need_stays_without_a_weight() -> None:
    assert {"popularity", "item-knn", "content", "co-purchase"} <= set(chosen(make_habits()).components)


def test_what_does_not_fit_the_memory_is_left_out_and_named() -> None:
    size = measure_size(split_by_time(make_habits()).test.train)
    largest = max(one.estimate_mb(size, {**one.fixed, **one.start}) for one in CANDIDATES.values())
    choice = chosen(make_habits(), memory_mb=estimate_data_mb(size) + 0.9 * largest)
    assert "no_memory" in {one.code for one in choice.excluded}
    assert not {one.algorithm for one in choice.excluded if one.code == "no_memory"} & set(choice.components)


def test_data_that_do_not_fit_the_memory_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(InsufficientMemoryError, match="TRAINING_MEMORY_MB=0 is too low for"):
        chosen(make_habits(), memory_mb=0.01)


def test_without_time_each_is_tried_as_it_starts_and_the_dear_ones_are_left_out() -> None:
    ticks: Iterator[int] = iter(range(10**9))
    budget = TrainingBudget(5, 2000, clock=lambda: float(next(ticks)))
    choice = tune_model(time_split=split_by_time(make_habits()), products=PRODUCTS, budget=budget, step=Steps())
    assert {row["algorithm"] for row in choice.trials} >= set(CANDIDATES)
    assert {one.code for one in choice.excluded} <= {"no_time", "no_help"}
    assert set(choice.components) == {name for name, candidate in CANDIDATES.items() if candidate.is_required}


def test_a_cancel_ends_it_at_the_next_trial() -> None:
    steps = Steps(cancel_at="user-knn")
    with pytest.raises(TrainingCancelledError):
        chosen(make_habits(), steps=steps)
    assert steps.seen[-1] == "user-knn"


def test_what_is_looked_at_before_it_is_bought_is_learnt_to_count() -> None:
    choice = chosen(make_habits(views=True))
    assert choice.event_weights.kinds["view"] > 0
    rows = [row for row in choice.trials if row["algorithm"] == "kinds"]
    zero = [row["value"] for row in rows if row["parameters"]["view"] == 0]
    best = max(row["value"] for row in rows)
    assert all(best > value for value in zero)


def test_the_target_is_what_people_do_at_the_end() -> None:
    assert split_by_time(make_habits(views=True)).target == "purchase"
    looked = make_habits(views=True)
    looked = looked.subset(looked.kind == KIND_CODES["view"])
    assert split_by_time(looked).target == "view"


def test_a_history_of_a_moment_has_no_cut() -> None:
    habits = make_habits()
    with pytest.raises(EmptySplitError):
        split_by_time(habits.before(DAY))


def test_the_test_part_is_judged_beside_baselines_and_the_version_that_serves() -> None:
    time_split = split_by_time(make_habits())
    choice = tune_model(time_split=time_split, products=PRODUCTS, budget=TrainingBudget(3, 2000), step=Steps())
    recipe = {
        "components": choice.components,
        "weights": choice.weights,
        "normalization": choice.normalization,
        "weighing": choice.event_weights.as_json(),
    }
    model_evaluation = evaluate_choice(
        time_split=time_split, choice=choice, products=PRODUCTS, active=recipe, step=Steps()
    )
    scores = model_evaluation.evaluation.scores
    assert {"popularity", "repeat", "active", model_evaluation.served} <= set(scores)
    np.testing.assert_allclose(scores[model_evaluation.served]["ndcg", 10], scores["active"]["ndcg", 10], atol=1e-6)
    assert model_evaluation.cut_at == time_split.test.train.as_of
    assert {row["without"] for row in model_evaluation.ablation} <= set(choice.components)
    assert {row.segment for row in model_evaluation.segments} == {"new", "active", "loyal", "cold items"}


def test_a_single_algorithm_serves_under_its_own_name() -> None:
    assert find_served_algorithm({"repeat": 1.0, "content": 0.0}) == "repeat"
    assert find_served_algorithm({"repeat": 0.7, "content": 0.3}) == "blend"
