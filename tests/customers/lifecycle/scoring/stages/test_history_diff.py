"""Stage changes that are missing in the database, and stored ones that are obsolete."""

import numpy as np
import pytest

from customers.lifecycle.scoring.interests.favorite_kernels import group_by_customer
from customers.lifecycle.scoring.stages.history_diff import diff_stage_changes


def diff(derived: list[tuple[int, int, int]], stored: list[tuple[int, int, int]], n: int):
    """Return the missing and the obsolete rows of customer, time and code."""
    derived = sorted(derived, key=lambda row: row[:2])
    customer, at, code = np.array(derived, np.int64).reshape(-1, 3).T
    stored_customer, stored_at, stored_code = np.array(stored, np.int64).reshape(-1, 3).T
    start = np.searchsorted(customer, np.arange(n + 1))
    missing, obsolete = diff_stage_changes(
        start, at, code, *group_by_customer(stored_customer, n), stored_at, stored_code
    )
    return [derived[row] for row in np.flatnonzero(missing)], [stored[row] for row in np.flatnonzero(obsolete)]


def test_stored_changes_equal_to_derived_ones_are_kept():
    rows = [(0, 5, 1), (0, 7, 2), (2, 5, 1)]
    assert diff(rows, rows[::-1], 3) == ([], [])


def test_a_corrected_past_is_replaced():
    assert diff([(0, 5, 1), (0, 9, 2)], [(0, 5, 1), (0, 6, 3), (0, 9, 4)], 1) == (
        [(0, 9, 2)],
        [(0, 6, 3), (0, 9, 4)],
    )


def test_changes_without_a_customer_are_removed():
    assert diff([], [(-1, 5, 1), (0, 5, 1)], 1) == ([], [(-1, 5, 1), (0, 5, 1)])


@pytest.mark.parametrize("seed", range(30))
def test_the_result_equals_a_difference_of_sets(seed: int):
    draws = np.random.default_rng(seed)
    make_rows = lambda: list({tuple(row) for row in draws.integers(0, [6, 5, 3], (25, 3)).tolist()})  # noqa: E731
    derived, stored = make_rows(), make_rows()
    draws.shuffle(stored)
    missing, obsolete = diff(derived, stored, 6)
    assert set(missing) == set(derived) - set(stored)
    assert set(obsolete) == set(stored) - set(derived)
    assert len(missing) == len(set(missing))
