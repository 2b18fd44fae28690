"""Positions of IDs in a sorted array, dense or sparse."""

import numpy as np
import pytest

from customers.lifecycle.facts.id_positions import find_positions


@pytest.mark.parametrize("known", [[3, 5, 9], [3, 5, 10**12], [-4, 0, 7]])
def test_known_ids_have_a_position_and_missing_ones_do_not(known: list[int]):
    ids = [known[2], known[0], known[0] - 1, known[1] + 1, known[2] + 1, known[1]]
    assert find_positions(np.array(ids), np.array(known)).tolist() == [2, 0, -1, -1, -1, 1]


def test_an_empty_array_has_no_positions():
    nobody = np.empty(0, np.int64)
    assert find_positions(np.array([1, 2]), nobody).tolist() == [-1, -1]
    assert find_positions(nobody, np.array([1])).tolist() == []
