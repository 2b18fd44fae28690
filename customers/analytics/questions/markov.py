"""Removal effects: how much rarer a goal would be if nobody could take a step, by a first-order Markov chain.

Formula: with the probabilities P of moving from step to step, the probability of the goal from step i solves
p_i = Σ_j P_ij p_j + P_i,goal. Removing step k means that everyone who would move to it leaves: p_k = 0. Its effect is 1 − p′_start / p_start.
Source: Anderl, Becker, von Wangenheim & Schumann (2016), Mapping the customer journey.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_STATES = 100


@dataclass(frozen=True, kw_only=True)
class StepEffect:
    """A step, the number of times it was taken, and the share of the goals that would be lost without it; None is other steps."""

    name: str | None
    visits: int
    removal_effect: float


def measure_removal_effects(
    moves: Sequence[tuple[str | None, str | None, int]], *, goal: str
) -> tuple[float | None, tuple[StepEffect, ...]]:
    """Return the probability of the goal and the effect of each step, largest first.

    Args:
        moves: source (None is the start), target (None is the end) and number of moves.
    """
    visits: Counter[str] = Counter()
    for _, target, count in moves:
        if target is not None and target != goal:
            visits[target] += count
    frequent = sorted(visits, key=lambda name: (-visits[name], name))[: MAX_STATES - 1]
    names: list[str | None] = [*frequent, *([None] if len(visits) > len(frequent) else [])]
    position = {name: number for number, name in enumerate(frequent)}
    counts = _count_moves(moves, position, len(names), goal)
    start, size = len(names), len(names)
    if not counts[start].sum():
        return None, ()
    probabilities = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    inner, to_goal = probabilities[:, : size + 1], probabilities[:, size + 1]
    reached = solve_goal(inner, to_goal)[start]
    effects = []
    for number, name in enumerate(names):
        kept = np.delete(np.arange(size + 1), number)
        without = solve_goal(inner[np.ix_(kept, kept)], to_goal[kept])[-1]
        seen = visits[name] if name is not None else sum(visits.values()) - sum(visits[known] for known in frequent)
        effects.append(
            StepEffect(name=name, visits=seen, removal_effect=float(1 - without / reached) if reached else 0.0)
        )
    return float(reached), tuple(sorted(effects, key=lambda effect: (-effect.removal_effect, -effect.visits)))


def _count_moves(
    moves: Sequence[tuple[str | None, str | None, int]], position: dict[str, int], size: int, goal: str
) -> npt.NDArray[np.float64]:
    """Return counts (size + 1, size + 3): rows are steps and the start, columns steps, the start, the goal and the end."""
    counts = np.zeros((size + 1, size + 3))
    for source, target, count in moves:
        row = size if source is None else position.get(source, size - 1)
        if target is None or target == goal:
            counts[row, size + (2 if target is None else 1)] += count
        else:
            counts[row, position.get(target, size - 1)] += count
    return counts


def solve_goal(inner: npt.NDArray[np.float64], to_goal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probability of the goal from each state: (I − P) p = g.

    Steps between which people move forever have no exit in the data; they get a small one, so that the system is regular.
    """
    system = np.eye(len(inner)) - inner
    try:
        return np.linalg.solve(system, to_goal)
    except np.linalg.LinAlgError:
        return np.linalg.solve(system + 1e-12 * inner, to_goal)
