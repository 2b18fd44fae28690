import numpy as np
import pytest

from recommendations.training.budget import STATM, PeakMemory, TrainingBudget
from tests.waiting import wait_until


def test_a_budget_counts_from_its_creation() -> None:
    now = [100.0]
    budget = TrainingBudget(10, 500, clock=lambda: now[0])
    now[0] = 104.0
    assert (budget.get_elapsed(), budget.get_remaining()) == (4.0, 6.0)
    now[0] = 120.0
    assert budget.get_remaining() == 0.0


@pytest.mark.skipif(not STATM.exists(), reason="the system has no /proc")
def test_the_peak_includes_memory_that_was_freed() -> None:
    with PeakMemory() as before:
        pass
    with PeakMemory() as memory:
        array = np.ones(25_000_000)
        assert array.sum() == 25_000_000
        wait_until(lambda: memory.mb >= before.mb + 150, what="a sample of the memory")
        del array
    assert memory.mb >= before.mb + 150


def test_a_share_of_the_budget_is_used_up_after_its_seconds() -> None:
    now = [10.0]
    budget = TrainingBudget(100, 2000, clock=lambda: now[0])
    now[0] = 40.0
    has_time = budget.limit(0.1)
    assert has_time()
    now[0] = 49.9
    assert has_time()
    now[0] = 50.0
    assert not has_time()
