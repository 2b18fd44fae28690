"""Model tuning on constructed data whose best model is known."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, Algorithm, IdMap, Interactions, Products
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.training.budget import InsufficientMemoryError, TrainingBudget, estimate_data_mb
from recommendations.training.data.time_split import split_by_time
from recommendations.training.evaluation.evaluation import evaluate_choice, find_served_algorithm
from recommendations.training.runs import TrainingCanceledError
from recommendations.training.tuning import parameter_tuning
from recommendations.training.tuning.model_choice import ModelChoice, fit_component, measure_size
from recommendations.training.tuning.model_tuning import tune_model
from recommendations.training.tuning.search_space import CANDIDATES
from tests.recommendations.trainings import make_counted_budget

DAY = 86_400.0
N_USERS, ITEMS, DAYS = 60, 40, 140


def make_habits(*, views: bool = False) -> Interactions:
    """Return users who buy their own five products again and again.

    With views, they buy any product, and view it about eight days before they buy it.
    """
    rng = np.random.default_rng(2)
    own = np.array([rng.choice(ITEMS, 5, replace=False) for _ in range(N_USERS)])
    rows = []
    for user in range(N_USERS):
        for day in range(0, DAYS, 7):
            item = rng.integers(ITEMS) if views else rng.choice(own[user])
            rows.append((user, item, day + rng.random(), "purchase"))
            if views:
                rows.append((user, item, max(day - 8, 0) + 0.5, "view"))
    users, items, days, kinds = zip(*rows, strict=True)
    return Interactions.from_rows(
        user=np.array(users),
        item=np.array(items),
        order=np.array(days) * DAY,
        kind=np.array([KIND_CODES[kind] for kind in kinds], np.int8),
        users=IdMap.of([f"{user:03d}" for user in range(N_USERS)]),
        items=IdMap.of([f"{item:03d}" for item in range(ITEMS)]),
        as_of=DAYS * DAY,
    )


PRODUCTS = Products.of_columns({"title": [f"thing number {item}" for item in range(ITEMS)]})


class StepRecorder:
    """Records the reported steps and cancels the training at one of them."""

    def __init__(self, cancel_at: str = "") -> None:
        self.steps: list[str] = []
        self.cancel_at = cancel_at

    def __call__(self, step: str, share: float) -> None:
        assert 0 <= share <= 1
        self.steps.append(step)
        if step == self.cancel_at:
            raise TrainingCanceledError


def tune(
    interactions: Interactions, *, seconds: float = 4, memory_mb: float = 2000, step: StepRecorder | None = None
) -> ModelChoice:
    return tune_model(
        time_split=split_by_time(interactions),
        products=PRODUCTS,
        budget=make_counted_budget(seconds, memory_mb),
        step=step or StepRecorder(),
    )


@cache
def tune_habits() -> ModelChoice:
    return tune(make_habits())


def test_repeat_purchases_are_found_and_every_trial_is_recorded() -> None:
    choice = tune_habits()
    assert choice.component_values["repeat"] > 2 * choice.component_values["popularity"]
    assert choice.value >= max(choice.component_values.values())
    assert sum(choice.weights.values()) == pytest.approx(1, abs=0.01)
    tried = {row["algorithm"] for row in choice.trials}
    assert {*CANDIDATES, "blend"} <= tried
    for name, component in choice.components.items():
        best = [row for row in choice.trials if row["algorithm"] == name and row["chosen"]]
        assert len(best) == 1
        assert best[0]["parameters"].items() <= component["parameters"].items()
        assert best[0]["value"] == max(row["value"] for row in choice.trials if row["algorithm"] == name)


def test_components_that_other_placements_require_stay_without_a_weight() -> None:
    assert {"popularity", "item-knn", "content", "co-purchase"} <= set(tune_habits().components)


def test_products_that_are_new_to_the_customer_are_ranked_too() -> None:
    choice = tune_habits()
    own = {"popularity", "repeat", "repeat-rhythm", "repeat-ranker"}
    shares = {name: weight for name, weight in choice.weights.items() if name not in own}
    assert sum(shares.values()) > 0
    assert sum(choice.weights.values()) == pytest.approx(1, abs=0.001)


def test_algorithms_that_do_not_fit_into_memory_are_excluded_with_a_reason() -> None:
    size = measure_size(split_by_time(make_habits()).test.train)
    largest = max(
        candidate.estimate_mb(size, {**candidate.fixed, **candidate.start}) for candidate in CANDIDATES.values()
    )
    choice = tune(make_habits(), memory_mb=estimate_data_mb(size) + 0.9 * largest)
    assert "no_memory" in {excluded.code for excluded in choice.excluded}
    assert not {excluded.algorithm for excluded in choice.excluded if excluded.code == "no_memory"} & set(
        choice.components
    )


def test_data_that_do_not_fit_into_memory_raise_an_error_with_the_setting_to_change() -> None:
    with pytest.raises(InsufficientMemoryError, match="TRAINING_MEMORY_MB=0 is too low for"):
        tune(make_habits(), memory_mb=0.01)


def test_without_time_each_start_is_tried_and_slow_optional_algorithms_are_excluded() -> None:
    ticks: Iterator[int] = iter(range(10**9))
    budget = TrainingBudget(5, 2000, clock=lambda: float(next(ticks)))
    choice = tune_model(time_split=split_by_time(make_habits()), products=PRODUCTS, budget=budget, step=StepRecorder())
    assert {row["algorithm"] for row in choice.trials} >= set(CANDIDATES)
    assert {excluded.code for excluded in choice.excluded} <= {"no_time", "no_help"}
    assert set(choice.components) == {name for name, candidate in CANDIDATES.items() if candidate.is_required}


def test_an_optional_algorithm_whose_first_trial_would_take_too_long_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]

    def fit_slowly(component: Mapping[str, Any], interactions: Interactions, products: Products) -> Algorithm:
        if component["algorithm"] == "session-knn":
            now[0] += len(interactions) / 100
        return fit_component(component, interactions, products)

    monkeypatch.setattr(parameter_tuning, "fit_component", fit_slowly)
    monkeypatch.setattr(parameter_tuning, "MIN_PROBED_INTERACTIONS", 100)
    time_split = split_by_time(make_habits())
    whole = len(time_split.validation.train) / 100  # seconds
    names = ("popularity", "repeat", "session-knn", "transitions")
    choice = tune_model(
        time_split=time_split,
        products=PRODUCTS,
        budget=TrainingBudget(whole, 2000, clock=lambda: now[0]),
        step=StepRecorder(),
        candidates={name: CANDIDATES[name] for name in names},
    )
    excluded = {entry.algorithm: entry for entry in choice.excluded}
    assert excluded["session-knn"].code == "no_time"
    assert excluded["session-knn"].values["needed"] == pytest.approx(whole, rel=0.2)
    assert "session-knn" not in {row["algorithm"] for row in choice.trials}
    assert "transitions" in {row["algorithm"] for row in choice.trials}
    assert now[0] < whole / 2, "the samples take a fraction of the trial"


def test_optional_algorithms_are_not_tried_once_the_later_steps_need_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]

    def fit_slowly(component: Mapping[str, Any], interactions: Interactions, products: Products) -> Algorithm:
        now[0] += 6.0 if component["algorithm"] == "popularity" else 0.0
        return fit_component(component, interactions, products)

    monkeypatch.setattr(parameter_tuning, "fit_component", fit_slowly)
    monkeypatch.setattr(parameter_tuning, "MIN_PROBED_INTERACTIONS", 100)
    names = ("popularity", "repeat", "user-knn", "transitions")
    choice = tune_model(
        time_split=split_by_time(make_habits()),
        products=PRODUCTS,
        budget=TrainingBudget(24, 2000, clock=lambda: now[0]),
        step=StepRecorder(),
        candidates={name: CANDIDATES[name] for name in names},
    )
    excluded = {entry.algorithm: entry for entry in choice.excluded}
    assert [excluded[name].code for name in ("user-knn", "transitions")] == ["no_time", "no_time"]
    assert excluded["user-knn"].values["left"] == 0
    assert set(choice.components) >= {"popularity", "repeat"}, "placements require them"


def test_a_cancellation_ends_the_tuning_at_the_next_trial() -> None:
    recorder = StepRecorder(cancel_at="user-knn")
    with pytest.raises(TrainingCanceledError):
        tune(make_habits(), step=recorder)
    assert recorder.steps[-1] == "user-knn"


def test_views_get_a_weight_where_they_precede_purchases() -> None:
    choice = tune(make_habits(views=True))
    assert choice.event_weights.kinds["view"] > 0
    trials = [row for row in choice.trials if row["algorithm"] == "kinds"]
    values_without_views = [row["value"] for row in trials if row["parameters"]["view"] == 0]
    best = max(row["value"] for row in trials)
    assert all(best > value for value in values_without_views)


def test_the_target_is_the_last_event_type_of_the_funnel_that_occurs() -> None:
    assert split_by_time(make_habits(views=True)).target == "purchase"
    habits = make_habits(views=True)
    views = habits.select(habits.kind == KIND_CODES["view"])
    assert split_by_time(views).target == "view"


def test_a_history_of_one_day_cannot_be_split() -> None:
    habits = make_habits()
    with pytest.raises(EmptySplitError):
        split_by_time(habits.before(DAY))


def test_the_model_is_evaluated_against_baselines_and_the_active_version() -> None:
    time_split, choice = split_by_time(make_habits()), tune_habits()
    active = {
        "components": choice.components,
        "weights": choice.weights,
        "normalization": choice.normalization,
        "weighing": choice.event_weights.to_json(),
    }
    model_evaluation = evaluate_choice(
        time_split=time_split, choice=choice, products=PRODUCTS, active=active, step=StepRecorder()
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
