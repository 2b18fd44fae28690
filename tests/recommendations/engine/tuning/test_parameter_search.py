"""Parameter search on functions with a known maximum."""

import pytest

from recommendations.engine.tuning.parameter_search import EmptySearchError, search_parameters

GRID = {"x": list(range(21)), "y": list(range(21))}


def hill(parameters):
    return -((parameters["x"] - 13) ** 2) - (parameters["y"] - 4) ** 2


class Watch:
    """A clock that advances one second per trial."""

    now = 0.0

    def evaluate(self, parameters):
        self.now += 1.0
        return hill(parameters)


def test_maximum_is_found_in_few_trials():
    result = search_parameters(space=GRID, evaluate=hill, budget_s=10, seed=1)
    assert result.best.parameters == {"x": 13, "y": 4}
    assert result.best.value == 0
    assert len(result.trials) < 21 * 21 / 5


def test_pairwise_moves_leave_a_ridge():
    def ridge(parameters):
        return {(0, 0): 1.0, (1, 1): 2.0}.get((parameters["x"], parameters["y"]), 0.0)

    space = {"x": [0, 1], "y": [0, 1]}
    result = search_parameters(space=space, evaluate=ridge, budget_s=10, seed=1, start={"x": 0, "y": 0})
    assert result.best.parameters == {"x": 1, "y": 1}


def test_same_seed_gives_the_same_trials_without_repeats():
    first, second = (search_parameters(space=GRID, evaluate=hill, budget_s=10, seed=3).trials for _ in range(2))
    assert [row.parameters for row in first] == [row.parameters for row in second]
    assert len({tuple(row.parameters.items()) for row in first}) == len(first)


def test_search_ends_within_the_budget_and_always_tries_the_start():
    watch = Watch()
    result = search_parameters(space=GRID, evaluate=watch.evaluate, budget_s=15, seed=1, clock=lambda: watch.now)
    assert result.seconds == len(result.trials) == 15
    none_left = search_parameters(
        space=GRID, evaluate=watch.evaluate, budget_s=0, seed=1, start={"x": 2, "y": 2}, clock=lambda: watch.now
    )
    assert [row.parameters for row in none_left.trials] == [{"x": 2, "y": 2}]


def test_parameters_with_nan_lose_against_any_number():
    result = search_parameters(
        space={"x": [0, 1, 2]},
        evaluate=lambda p: -5.0 if p["x"] == 2 else float("nan"),
        budget_s=5,
        seed=0,
        start={"x": 1},
    )
    assert result.best.parameters == {"x": 2}


def test_search_without_any_number_is_an_error():
    with pytest.raises(EmptySearchError, match="number"):
        search_parameters(space={"x": [0, 1]}, evaluate=lambda _: float("nan"), budget_s=5, seed=0)


def test_start_keeps_other_parameters_and_must_be_a_candidate():
    result = search_parameters(
        space={"x": [1, 2]}, evaluate=lambda p: p["x"] * p["z"], budget_s=5, seed=0, start={"z": 3}
    )
    assert result.best.parameters == {"x": 2, "z": 3}
    with pytest.raises(ValueError, match="x=7"):
        search_parameters(space={"x": [1, 2]}, evaluate=hill, budget_s=5, seed=0, start={"x": 7})
    with pytest.raises(ValueError, match="no candidate"):
        search_parameters(space={"x": []}, evaluate=hill, budget_s=5, seed=0)
