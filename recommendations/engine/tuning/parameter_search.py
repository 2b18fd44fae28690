"""Tunes parameters on validation data within a time budget."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

type Parameters = dict[str, Any]
type Space = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Trial:
    """One trial of a search: the parameters, their value (NaN: none) and the seconds it took."""

    parameters: Parameters
    value: float
    seconds: float


@dataclass(frozen=True)
class SearchResult:
    """best: the trial with the largest value, the first one if several are equal. trials: all, in order. seconds: of the whole search."""

    best: Trial
    trials: list[Trial]
    seconds: float


class EmptySearchError(ValueError):
    """No trial of the search reached a value that is a number."""


def search_parameters(
    *,
    space: Space,
    evaluate: Callable[[Parameters], float],
    budget_s: float,
    seed: int,
    start: Mapping[str, Any] | None = None,
    patience: int = 20,
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Return the parameters with the largest value of `evaluate` among those tried within about `budget_s` seconds.

    space: name → candidates, in order if they have one. The search starts with a coordinate search from `start` (default: the middle
    of each): one parameter after the other, in the order of `space` (most important first), moves to neighboring candidates as long as
    that improves the value, until a round over all parameters changes nothing. Then random pairs of parameters move at once, each to
    any candidate; an improvement starts another coordinate search, and `patience` draws in a row without one end the search.

    `start` is always evaluated. No later trial starts if, at the mean duration so far, it would end after the budget. Names in
    `start` that the space lacks are passed through unchanged. Random search: Bergstra & Bengio, JMLR 2012.
    Errors: ValueError for an empty candidate list or a start outside it; EmptySearchError.
    """
    search = _CoordinateSearch(space, evaluate, budget_s, _choose_start(space, start), clock)
    rng = np.random.default_rng(seed)
    search.search_coordinates()
    n_failures = 0
    while len(search.names) > 1 and n_failures < patience and search.has_time_left():
        if search.try_random_pair(rng):
            n_failures = 0
            search.search_coordinates()
        else:
            n_failures += 1
    if math.isnan(search.best.value):
        raise EmptySearchError(
            f"none of {len(search.trials)} parameters reached a number, first {search.best.parameters}"
        )
    return SearchResult(search.best, search.trials, clock() - search.started_at)


class _CoordinateSearch:
    """The state of a search: all trials, the best one, and the names with more than one candidate."""

    def __init__(
        self,
        space: Space,
        evaluate: Callable[[Parameters], float],
        budget_s: float,
        start: Parameters,
        clock: Callable[[], float],
    ):
        self.space, self.evaluate, self.clock, self.budget_s = space, evaluate, clock, budget_s
        self.names = [name for name, candidates in space.items() if len(candidates) > 1]
        self.started_at = clock()
        self.trials: list[Trial] = []
        self.best = self._run_trial(start)

    def has_time_left(self) -> bool:
        return self.clock() - self.started_at + self._compute_mean_s() <= self.budget_s

    def _compute_mean_s(self) -> float:
        return sum(row.seconds for row in self.trials) / len(self.trials)

    def search_coordinates(self) -> None:
        has_improved = True
        while has_improved:
            has_improved = False
            for name in self.names:
                # The other direction is tried only if this one does not improve.
                has_improved = self._move_along(name, 1) or self._move_along(name, -1) or has_improved

    def try_random_pair(self, rng: np.random.Generator) -> bool:
        """Move two parameters at once to any candidates; return whether that improved the value."""
        trial = dict(self.best.parameters)
        for index in rng.choice(len(self.names), 2, replace=False):
            candidates = self.space[self.names[index]]
            trial[self.names[index]] = candidates[int(rng.integers(len(candidates)))]
        return self._try(trial)

    def _move_along(self, name: str, step: int) -> bool:
        has_improved = False
        while True:
            index = _find_index(self.space[name], self.best.parameters[name]) + step
            if not 0 <= index < len(self.space[name]):
                return has_improved
            if not self._try({**self.best.parameters, name: self.space[name][index]}):
                return has_improved
            has_improved = True

    def _try(self, parameters: Parameters) -> bool:
        if any(row.parameters == parameters for row in self.trials) or not self.has_time_left():
            return False
        row = self._run_trial(parameters)
        if row.value > self.best.value or (math.isnan(self.best.value) and not math.isnan(row.value)):
            self.best = row
            return True
        return False

    def _run_trial(self, parameters: Parameters) -> Trial:
        started_at = self.clock()
        value = float(self.evaluate(dict(parameters)))
        trial = Trial(parameters, value, self.clock() - started_at)
        self.trials.append(trial)
        return trial


def _choose_start(space: Space, start: Mapping[str, Any] | None) -> Parameters:
    for name, candidates in space.items():
        if not len(candidates):
            raise ValueError(f"space[{name!r}] has no candidate")
    first = {name: candidates[(len(candidates) - 1) // 2] for name, candidates in space.items()} | dict(start or {})
    for name, candidates in space.items():
        if first[name] not in candidates:
            raise ValueError(f"start has {name}={first[name]!r}, which is not among its candidates {list(candidates)}")
    return first


def _find_index(candidates: Sequence[Any], value: Any) -> int:
    return list(candidates).index(value)
