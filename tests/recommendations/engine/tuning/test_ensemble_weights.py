"""A part of an ensemble has to help beyond chance."""

from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_array

from recommendations.engine import Algorithm, Histories
from recommendations.engine.tuning.ensemble_weights import (
    MIN_USERS,
    ChosenWeights,
    HasTime,
    always_has_time,
    tune_ensemble_weights,
)

N_ITEMS = 60


class FixedScores:
    """Scores given in advance; every history has its own row in `user`."""

    def __init__(self, scores: npt.NDArray[np.float32]) -> None:
        self.scores = scores

    def score(self, histories: Histories) -> npt.NDArray[np.float32]:
        return self.scores[histories.user]


def tune(
    n_users: int,
    *,
    drop_unhelpful: bool = True,
    user: npt.NDArray[np.int32] | None = None,
    has_time: HasTime = always_has_time,
) -> ChosenWeights:
    """Tune three parts: two find the products of half of the users each, the third one only those of the first two users."""
    rng = np.random.default_rng(5)
    relevant = rng.integers(N_ITEMS, size=n_users)
    scores = np.zeros((3, n_users, N_ITEMS), np.float32)
    for part, rows in enumerate((np.arange(2, n_users, 2), np.arange(3, n_users, 2), np.arange(2))):
        scores[part, rows, relevant[rows]] = 1.0
    parts = {
        name: cast("Algorithm", FixedScores(part)) for name, part in zip(("even", "odd", "rare"), scores, strict=True)
    }
    rows = np.arange(n_users)
    return tune_ensemble_weights(
        components=parts,
        histories=Histories.of_lists([[]] * n_users, n_items=N_ITEMS, users=rows),
        relevant=csr_array((np.ones(n_users, np.float32), (rows, relevant)), shape=(n_users, N_ITEMS)),
        exclude_seen=False,
        has_time=has_time,
        drop_unhelpful=drop_unhelpful,
        user=user,
        seed=1,
    )


def test_a_part_that_helps_by_chance_only_is_dropped_and_the_weights_are_chosen_again() -> None:
    chosen = tune(4 * MIN_USERS)
    assert chosen.weights["rare"] == 0
    assert min(chosen.weights["even"], chosen.weights["odd"]) > 0
    assert chosen.dropped.keys() == {"rare"}
    assert chosen.dropped["rare"].low <= 0 < chosen.dropped["rare"].value
    assert tune(4 * MIN_USERS, drop_unhelpful=False).weights["rare"] > 0


def test_nothing_is_dropped_unless_asked_for_or_with_too_few_users() -> None:
    assert not tune(4 * MIN_USERS, drop_unhelpful=False).dropped
    assert not tune(MIN_USERS - 1).dropped
    rows = np.arange(4 * MIN_USERS, dtype=np.int32)
    assert not tune(4 * MIN_USERS, user=rows % (MIN_USERS - 1)).dropped, "many queries of few users are few users"


@pytest.mark.parametrize("offers", [False, True])
def test_the_value_of_equal_scores_does_not_depend_on_the_number_of_the_relevant_item(offers: bool) -> None:
    n_users = 400
    ties = {"popular": cast("Algorithm", FixedScores(np.ones((n_users, N_ITEMS), np.float32)))}
    rows = np.arange(n_users)
    values = []
    for item in (0, N_ITEMS // 2, N_ITEMS - 1):
        relevant = csr_array((np.ones(n_users), (rows, np.full(n_users, item))), shape=(n_users, N_ITEMS))
        everything = csr_array(np.ones((n_users, N_ITEMS)))
        chosen = tune_ensemble_weights(
            components=ties,
            histories=Histories.of_lists([[]] * n_users, n_items=N_ITEMS, users=rows),
            relevant=relevant,
            exclude_seen=False,
            depth=20,
            offered=everything if offers else None,
            seed=1,
        )
        values.append(chosen.value)
    expected = (1 / np.log2(np.arange(2, 12))).sum() / N_ITEMS  # a hit at each of the ten places is equally likely
    assert values == pytest.approx([expected] * 3, abs=0.06)
    assert len(set(values)) == 3


def test_one_part_always_stays() -> None:
    rng = np.random.default_rng(1)
    n = 2 * MIN_USERS
    scores = rng.random((2, n, N_ITEMS)).astype(np.float32)
    rows = np.arange(n)
    chosen = tune_ensemble_weights(
        components={name: cast("Algorithm", FixedScores(part)) for name, part in zip("ab", scores, strict=True)},
        histories=Histories.of_lists([[]] * n, n_items=N_ITEMS, users=rows),
        relevant=csr_array((np.ones(n, np.float32), (rows, rng.integers(N_ITEMS, size=n))), shape=(n, N_ITEMS)),
        exclude_seen=False,
        drop_unhelpful=True,
        seed=1,
    )
    assert sorted(chosen.weights.values()) == [0.0, 1.0]


def test_without_time_the_search_ends_and_parts_that_do_not_help_are_still_dropped() -> None:
    n_users = 2 * MIN_USERS
    checks = iter([True] * 3 + [False] * 1000)
    chosen = tune(n_users, has_time=lambda: next(checks))
    assert "rare" in chosen.dropped
    assert chosen.weights["rare"] == 0
    assert chosen.value > 0
    never = tune(n_users, has_time=lambda: False)
    assert never.weights["rare"] == 0, "the equal weights of the start, without the part that does not help"
