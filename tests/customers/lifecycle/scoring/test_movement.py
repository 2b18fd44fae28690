"""Who moved where, by hand."""

from collections import Counter

import numpy as np
import pytest

from customers.lifecycle.scoring.movement import (
    NONE,
    Link,
    movement_matrix,
    people_who_moved,
    sankey_links,
    states_at,
)

# customer row, state entered, when
MOVES = [(0, 0, 10), (0, 1, 20), (0, 2, 30), (1, 0, 12), (2, 1, 25), (2, 0, 25), (3, 2, 99)]


def states(moves: list[tuple[int, int, int]], moments: list[int], n: int = 5) -> np.ndarray:
    customer, to_state, at = (np.array(column, np.int64) for column in zip(*moves, strict=True))
    return states_at(customer=customer, to_state=to_state, at=at, n_customers=n, moments=moments)


def test_the_state_at_a_moment_is_that_of_the_last_transition_until_then() -> None:
    found = states(MOVES, [9, 10, 24, 25, 100])
    assert found.tolist() == [
        [NONE] * 5,
        [0, NONE, NONE, NONE, NONE],
        [1, 0, NONE, NONE, NONE],
        [1, 0, 0, NONE, NONE],
        [2, 0, 0, 2, NONE],
    ]


def test_rows_may_come_in_any_order_but_for_those_of_one_instant() -> None:
    assert (
        states(MOVES[::-1][:4] + MOVES[:3], [24, 100])[:, [0, 1, 3]] == states(MOVES, [24, 100])[:, [0, 1, 3]]
    ).all()
    assert states([(0, 1, 5), (0, 2, 5)], [5], n=1).tolist() == [[2]]
    assert states([(0, 2, 5), (0, 1, 5)], [5], n=1).tolist() == [[1]]


def test_the_matrix_counts_from_row_to_column_and_newcomers_come_from_none() -> None:
    before, after = states(MOVES, [24, 100])
    matrix = movement_matrix(before=before, after=after, n_states=3)
    assert matrix.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0]]
    assert people_who_moved(before=before, after=after, source=1, target=2).tolist() == [0]
    assert people_who_moved(before=before, after=after, source=NONE, target=2).tolist() == [3]
    assert people_who_moved(before=before, after=after, source=2, target=2).tolist() == []


def test_links_between_three_moments_by_hand() -> None:
    assert sankey_links(states=states(MOVES, [10, 24, 100]), n_states=3) == [
        Link(0, 0, 1, 1),
        Link(0, NONE, 0, 1),
        Link(0, NONE, NONE, 2),
        Link(1, 0, 0, 1),
        Link(1, 1, 2, 1),
        Link(1, NONE, 0, 1),
        Link(1, NONE, 2, 1),
    ]


def test_what_flows_in_flows_out_and_cells_hold_the_people_they_count() -> None:
    draws = np.random.default_rng(5)
    for _ in range(20):
        n, m = int(draws.integers(1, 60)), int(draws.integers(1, 300))
        moves = np.stack([draws.integers(0, n, m), draws.integers(0, 4, m), draws.integers(0, 50, m)], axis=1)
        found = states([tuple(row) for row in moves.tolist()], [5, 20, 35, 60], n=n)
        links = sankey_links(states=found, n_states=4)
        arriving, leaving = Counter(), Counter()
        for link in links:
            leaving[link.step, link.source] += link.count
            arriving[link.step + 1, link.target] += link.count
        for step in (1, 2):
            for state in range(-1, 4):
                assert arriving[step, state] == leaving[step, state]
        before, after = found[0], found[1]
        matrix = movement_matrix(before=before, after=after, n_states=4)
        assert matrix.sum(axis=1)[:4].tolist() == np.bincount(before[before >= 0], minlength=4).tolist()
        assert matrix.sum(axis=0)[:4].tolist() == np.bincount(after[after >= 0], minlength=4).tolist()
        for source in range(-1, 4):
            for target in range(-1, 4):
                if (source, target) != (NONE, NONE):
                    people = people_who_moved(before=before, after=after, source=source, target=target)
                    assert len(people) == matrix[source, target]


def test_nobody_moves_where_nobody_is() -> None:
    nothing = np.empty(0, np.int64)
    found = states_at(customer=nothing, to_state=nothing, at=nothing, n_customers=0, moments=[1, 2])
    assert found.shape == (2, 0)
    assert movement_matrix(before=found[0], after=found[1], n_states=2).sum() == 0
    assert sankey_links(states=found, n_states=2) == []
    assert sankey_links(states=np.full((1, 3), 1), n_states=2) == []


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="customer must be 0…1"):
        states(MOVES, [1], n=2)
    with pytest.raises(ValueError, match="to_state"):
        states([(0, -1, 3)], [1])
    with pytest.raises(ValueError, match="shape"):
        states_at(
            customer=np.zeros(2, np.int64), to_state=np.zeros(1, np.int64), at=np.zeros(2, np.int64),
            n_customers=1, moments=[1],
        )  # fmt: skip
    with pytest.raises(ValueError, match="after must be"):
        movement_matrix(before=np.array([0]), after=np.array([3]), n_states=3)
    with pytest.raises(ValueError, match="one entry a customer"):
        movement_matrix(before=np.array([0]), after=np.array([0, 1]), n_states=3)
