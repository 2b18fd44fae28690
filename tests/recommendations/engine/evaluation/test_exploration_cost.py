import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import csr_array

from recommendations.engine.evaluation.exploration_cost import compute_exploration_cost

LISTS = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], np.int32)


def test_hit_moved_down_costs_the_difference_of_discounts() -> None:
    relevant = csr_array(np.array([[0, 1, 0, 0], [0, 0, 1, 0]]))  # both at position 2, which goes to a new product
    cost = compute_exploration_cost(LISTS[:, :2], relevant, every=2, seed=0)
    assert cost.value == pytest.approx(1 / np.log2(3))
    many = compute_exploration_cost(np.tile(LISTS, (2000, 1)), sparse.vstack([relevant] * 2000, "csr"), every=4, seed=0)
    moved = 1 / np.log2(3) - 1 / np.log2(4)
    assert many.value == pytest.approx(moved / 2, abs=0.004), "half of the slots are at the second position"


def test_hit_pushed_off_the_list_costs_its_whole_gain() -> None:
    relevant = csr_array(np.array([[0, 0, 0, 1], [1, 0, 0, 0]]))  # both at the last position
    assert compute_exploration_cost(LISTS, relevant, every=4, seed=0).value == pytest.approx(1 / np.log2(5))


def test_the_first_position_costs_nothing_and_every_position_is_rejected() -> None:
    relevant = csr_array(np.array([[1, 0, 0, 0], [0, 0, 0, 1]]))
    for every in (2, 3, 4, 5, 9):
        assert compute_exploration_cost(LISTS, relevant, every=every, seed=0).value == 0
    with pytest.raises(ValueError, match="at least 2, got 1"):
        compute_exploration_cost(LISTS, relevant, every=1, seed=0)
