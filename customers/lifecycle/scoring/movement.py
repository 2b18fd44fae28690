"""Who moved from which stage or group to which between moments, as a matrix and as the links of a Sankey diagram."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

type Ints = npt.NDArray[np.int64]

NONE = -1  # not there yet


@dataclass(frozen=True)
class Link:
    """count people in state `source` at moment number `step` were in `target` at the next; NONE is −1."""

    step: int
    source: int
    target: int
    count: int


def states_at(*, customer: Ints, to_state: Ints, at: Ints, n_customers: int, moments: Sequence[int]) -> Ints:
    """The state of everyone at each moment, shape (moments, n_customers), NONE before their first transition.

    One entry a transition: row 0…n−1 of the customer, the state entered (0 or more), when. The state at a moment is that of the
    last transition at or before it; of several at one instant the one given last counts. They may come in any order otherwise.
    Errors: ValueError for arrays of different length, a row out of range, or a state below 0.
    """
    if not customer.shape == to_state.shape == at.shape:
        raise ValueError(f"customer, to_state and at differ in shape: {customer.shape}, {to_state.shape}, {at.shape}")
    if len(customer) and not (customer.min() >= 0 and customer.max() < n_customers):
        raise ValueError(f"customer must be 0…{n_customers - 1}, got {int(customer.min())}…{int(customer.max())}")
    if len(to_state) and to_state.min() < 0:
        raise ValueError(f"to_state must be 0 or more, got {int(to_state.min())}")
    order = np.lexsort((at, customer))  # stable: what was given later stays later
    customer, to_state, at = customer[order], to_state[order], at[order]
    states = np.full((len(moments), n_customers), NONE, np.int64)
    for place, moment in enumerate(moments):
        past = np.flatnonzero(at <= moment)
        last = np.ones(len(past), np.bool_)
        last[:-1] = customer[past[1:]] != customer[past[:-1]]
        states[place, customer[past[last]]] = to_state[past[last]]
    return states


def movement_matrix(*, before: Ints, after: Ints, n_states: int) -> Ints:
    """Counts (n_states + 1, n_states + 1): from row to column, the last of each for NONE. before, after: (n,), −1…n_states − 1.

    Who was there neither before nor after is not counted, so the matrix's sum is of the people there at either moment; row sums
    are those before, column sums those after. Errors: ValueError for different lengths or a state out of range.
    """
    if before.shape != after.shape:
        raise ValueError(f"before has shape {before.shape} and after {after.shape}; give one entry a customer in both")
    for name, states in (("before", before), ("after", after)):
        if len(states) and not (states.min() >= NONE and states.max() < n_states):
            raise ValueError(f"{name} must be −1…{n_states - 1}, got {int(states.min())}…{int(states.max())}")
    size = n_states + 1
    counts = np.bincount((before % size) * size + after % size, minlength=size * size)  # −1 becomes the last place
    matrix: Ints = counts.reshape(size, size)
    matrix[-1, -1] = 0
    return matrix


def people_who_moved(*, before: Ints, after: Ints, source: int, target: int) -> Ints:
    """The rows of a cell of the matrix, ascending."""
    return np.flatnonzero((before == source) & (after == target))


def sankey_links(*, states: Ints, n_states: int) -> list[Link]:
    """Links between consecutive moments, without empty ones. states: (moments, n) as `states_at` gives them.

    Whoever is there at one of the moments is counted at each step, from NONE to NONE too, so that what flows into every node but those
    of the first and last moment flows out of it.
    """
    there = states[:, (states != NONE).any(axis=0)]
    links = []
    for step in range(len(there) - 1):
        matrix = movement_matrix(before=there[step], after=there[step + 1], n_states=n_states)
        matrix[-1, -1] = int(((there[step] == NONE) & (there[step + 1] == NONE)).sum())
        for source, target in np.argwhere(matrix):
            links.append(
                Link(
                    step,
                    NONE if source == n_states else int(source),
                    NONE if target == n_states else int(target),
                    int(matrix[source, target]),
                )
            )
    return links
