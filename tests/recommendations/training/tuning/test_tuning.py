"""Choosing on data made so that the answer is known."""

from collections.abc import Iterator

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, IdMap, Interactions, Products
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.training.budget import Budget, TooLittleMemoryError, data_mb
from recommendations.training.data.time_split import cut
from recommendations.training.evaluation.evaluation import judge_choice, served_name
from recommendations.training.runs import TrainingCancelledError
from recommendations.training.tuning.search_space import CANDIDATES
from recommendations.training.tuning.tuning import Choice, choose, size_of

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
) -> Choice:
    return choose(cuts=cut(interactions), products=PRODUCTS, budget=Budget(seconds, memory_mb), step=steps or Steps())


def test_a_habit_is_found_and_every_trial_is_kept() -> None:
    choice = chosen(make_habits())
    assert choice.single["repeat"] > 2 * choice.single["popularity"]
    assert choice.value >= max(choice.single.values())
    assert sum(choice.weights.values()) == pytest.approx(1, abs=0.01)
    tried = {row["algorithm"] for row in choice.tried}
    assert {*CANDIDATES, "blend"} <= tried
    for name, described in choice.components.items():
        best = [row for row in choice.tried if row["algorithm"] == name and row["chosen"]]
        assert len(best) == 1
        assert best[0]["parameters"].items() <= described["parameters"].items()
        assert best[0]["value"] == max(row["value"] for row in choice.tried if row["algorithm"] == name)


def test_what_other_places_need_stays_without_a_weight() -> None:
    assert {"popularity", "item-knn", "content", "co-purchase"} <= set(chosen(make_habits()).components)


def test_what_does_not_fit_the_memory_is_left_out_and_named() -> None:
    size = size_of(cut(make_habits()).test.train)
    largest = max(one.megabytes(size, {**one.fixed, **one.start}) for one in CANDIDATES.values())
    choice = chosen(make_habits(), memory_mb=data_mb(size) + 0.9 * largest)
    assert "no_memory" in {one.code for one in choice.left_out}
    assert not {one.algorithm for one in choice.left_out if one.code == "no_memory"} & set(choice.components)


def test_data_that_do_not_fit_the_memory_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(TooLittleMemoryError, match="TRAINING_MEMORY_MB=0 is too little for"):
        chosen(make_habits(), memory_mb=0.01)


def test_without_time_each_is_tried_as_it_starts_and_the_dear_ones_are_left_out() -> None:
    ticks: Iterator[int] = iter(range(10**9))
    budget = Budget(5, 2000, clock=lambda: float(next(ticks)))
    choice = choose(cuts=cut(make_habits()), products=PRODUCTS, budget=budget, step=Steps())
    assert {row["algorithm"] for row in choice.tried} >= set(CANDIDATES)
    assert {one.code for one in choice.left_out} <= {"no_time", "no_help"}
    assert set(choice.components) == {name for name, candidate in CANDIDATES.items() if candidate.kept}


def test_a_cancel_ends_it_at_the_next_trial() -> None:
    steps = Steps(cancel_at="user-knn")
    with pytest.raises(TrainingCancelledError):
        chosen(make_habits(), steps=steps)
    assert steps.seen[-1] == "user-knn"


def test_what_is_looked_at_before_it_is_bought_is_learnt_to_count() -> None:
    choice = chosen(make_habits(views=True))
    assert choice.weighing.kinds["view"] > 0
    rows = [row for row in choice.tried if row["algorithm"] == "kinds"]
    zero = [row["value"] for row in rows if row["parameters"]["view"] == 0]
    best = max(row["value"] for row in rows)
    assert all(best > value for value in zero)


def test_the_target_is_what_people_do_at_the_end() -> None:
    assert cut(make_habits(views=True)).target == "purchase"
    looked = make_habits(views=True)
    looked = looked.subset(looked.kind == KIND_CODES["view"])
    assert cut(looked).target == "view"


def test_a_history_of_a_moment_has_no_cut() -> None:
    habits = make_habits()
    with pytest.raises(EmptySplitError):
        cut(habits.before(DAY))


def test_the_test_part_is_judged_beside_baselines_and_the_version_that_serves() -> None:
    cuts = cut(make_habits())
    choice = choose(cuts=cuts, products=PRODUCTS, budget=Budget(3, 2000), step=Steps())
    recipe = {
        "components": choice.components,
        "weights": choice.weights,
        "normalisation": choice.normalisation,
        "weighing": choice.weighing.as_json(),
    }
    judgement = judge_choice(cuts=cuts, choice=choice, products=PRODUCTS, active=recipe, step=Steps())
    scores = judgement.evaluation.scores
    assert {"popularity", "repeat", "active", judgement.served} <= set(scores)
    np.testing.assert_allclose(scores[judgement.served]["ndcg", 10], scores["active"]["ndcg", 10], atol=1e-6)
    assert judgement.cut_at == cuts.test.train.as_of
    assert {row["without"] for row in judgement.ablation} <= set(choice.components)
    assert {row.segment for row in judgement.segments} == {"new", "active", "loyal", "cold items"}


def test_a_single_algorithm_serves_under_its_own_name() -> None:
    assert served_name({"repeat": 1.0, "content": 0.0}) == "repeat"
    assert served_name({"repeat": 0.7, "content": 0.3}) == "blend"
