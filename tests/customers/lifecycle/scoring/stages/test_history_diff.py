"""Which derived stage changes are missing in the database, and which stored ones are obsolete."""

import numpy as np
import pytest

from customers.lifecycle.scoring.interests.favorite_kernels import group_by_customer
from customers.lifecycle.scoring.stages.history_diff import diff_stage_changes


def compared(derived: list[tuple[int, int, int]], stored: list[tuple[int, int, int]], n: int):
    """Rows of customer, moment and code: which are new and which are gone."""
    derived = sorted(derived, key=lambda row: row[:2])
    who, at, code = np.array(derived, np.int64).reshape(-1, 3).T
    whose, stored_at, stored_code = np.array(stored, np.int64).reshape(-1, 3).T
    start = np.searchsorted(who, np.arange(n + 1))
    new, gone = diff_stage_changes(start, at, code, *group_by_customer(whose, n), stored_at, stored_code)
    return [derived[row] for row in np.flatnonzero(new)], [stored[row] for row in np.flatnonzero(gone)]


def test_stored_changes_equal_to_derived_ones_are_kept():
    rows = [(0, 5, 1), (0, 7, 2), (2, 5, 1)]
    assert compared(rows, rows[::-1], 3) == ([], [])


def test_a_corrected_past_is_replaced():
    assert compared([(0, 5, 1), (0, 9, 2)], [(0, 5, 1), (0, 6, 3), (0, 9, 4)], 1) == (
        [(0, 9, 2)],
        [(0, 6, 3), (0, 9, 4)],
    )


def test_changes_without_a_customer_are_removed():
    assert compared([], [(-1, 5, 1), (0, 5, 1)], 1) == ([], [(-1, 5, 1), (0, 5, 1)])


@pytest.mark.parametrize("seed", range(30))
def test_the_same_as_a_difference_of_sets(seed: int):
    draws = np.random.default_rng(seed)
    rows = lambda: list({tuple(row) for row in draws.integers(0, [6, 5, 3], (25, 3)).tolist()})  # noqa: E731
    derived, stored = rows(), rows()
    draws.shuffle(stored)
    new, gone = compared(derived, stored, 6)
    assert set(new) == set(derived) - set(stored)
    assert set(gone) == set(stored) - set(derived)
    assert len(new) == len(set(new))
