"""The number of test users follows from the time that scoring takes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, KIND_CODES, Interactions
from recommendations.training.budget import TrainingBudget
from recommendations.training.evaluation.evaluation import (
    EVALUATION_TIME_SHARE,
    MIN_EVALUATION_USERS,
    PROBE_USERS,
    SCORINGS_PER_USER,
    count_affordable_users,
    sample_test_users,
)
from recommendations.training.tuning.model_choice import EVALUATION_USERS


def make_purchases(n_users: int) -> Interactions:
    return Interactions.from_ids(
        user_ids=[f"user-{user}" for user in range(n_users)],
        item_ids=[f"item-{user % 7}" for user in range(n_users)],
        order=np.arange(n_users, dtype=np.float64),
        kind=np.full(n_users, KIND_CODES["purchase"], np.int8),
    )


def count_users(n_users: int, *, seconds: float) -> int:
    """Return the number of affordable users if scoring the probe takes one second."""
    ticks = iter(range(1000))
    purchases = make_purchases(n_users)
    budget = TrainingBudget(seconds, 2000, clock=lambda: float(next(ticks)))
    split: Any = SimpleNamespace(test=SimpleNamespace(test=purchases))
    contestants = {"popularity": ALGORITHMS["popularity"]().fit(purchases)}
    return count_affordable_users(contestants, purchases, split, budget)


def test_a_short_budget_evaluates_fewer_users() -> None:
    enough = SCORINGS_PER_USER / PROBE_USERS / EVALUATION_TIME_SHARE  # seconds of budget per user
    assert count_users(2 * MIN_EVALUATION_USERS, seconds=1500 * enough) == pytest.approx(1500, abs=1)
    assert count_users(2 * MIN_EVALUATION_USERS, seconds=1.0) == MIN_EVALUATION_USERS
    assert count_users(2 * MIN_EVALUATION_USERS, seconds=1e6) == EVALUATION_USERS
    assert count_users(MIN_EVALUATION_USERS, seconds=1.0) == EVALUATION_USERS, "no user is left out"


def test_whole_users_are_sampled() -> None:
    purchases = make_purchases(50)
    assert sample_test_users(purchases, 50) is purchases
    assert len(np.unique(sample_test_users(purchases, 20).user)) == 20
