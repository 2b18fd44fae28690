import numpy as np
import pytest

from recommendations.training.budget import STATM, PeakMemory, TrainingBudget


def test_a_budget_counts_from_its_beginning() -> None:
    now = [100.0]
    budget = TrainingBudget(10, 500, clock=lambda: now[0])
    now[0] = 104.0
    assert (budget.get_elapsed(), budget.get_remaining()) == (4.0, 6.0)
    now[0] = 120.0
    assert budget.get_remaining() == 0.0


@pytest.mark.skipif(not STATM.exists(), reason="the system does not tell")
def test_the_most_memory_is_seen_though_it_is_given_back() -> None:
    with PeakMemory() as before:
        pass
    with PeakMemory() as memory:
        held = np.ones(25_000_000)
        assert held.sum() == 25_000_000
        del held
    assert memory.mb >= before.mb + 150
