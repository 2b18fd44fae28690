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
    """best: the trial with the largest value, of equals the first. trials: all in order. seconds: of the whole search."""

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

    `start` is always evaluated; after it no trial starts that would end after the budget, by the mean duration so far. Names in
    `start` that the space lacks are passed through unchanged. Random search: Bergstra & Bengio, JMLR 2012.
    Errors: ValueError for an empty candidate list or a start outside it; EmptySearchError.
    """
    climb = _CoordinateSearch(space, evaluate, budget_s, _choose_start(space, start), clock)
    draws = np.random.default_rng(seed)
    climb.coordinates()
    fruitless = 0
    while len(climb.free) > 1 and fruitless < patience and climb.time_left():
        if climb.leap(draws):
            fruitless = 0
            climb.coordinates()
        else:
            fruitless += 1
    if math.isnan(climb.best.value):
        raise EmptySearchError(f"none of {len(climb.tried)} parameters reached a number, first {climb.best.parameters}")
    return SearchResult(climb.best, climb.tried, clock() - climb.began)


class _CoordinateSearch:
    """The state of a search."""

    def __init__(
        self,
        space: Space,
        evaluate: Callable[[Parameters], float],
        budget_s: float,
        start: Parameters,
        clock: Callable[[], float],
    ):
        self.space, self.evaluate, self.clock, self.budget_s = space, evaluate, clock, budget_s
        self.free = [name for name, candidates in space.items() if len(candidates) > 1]
        self.began = clock()
        self.tried: list[Trial] = []
        self.best = self._row(start)

    def time_left(self) -> bool:
        return self.clock() - self.began + self._usual_s() <= self.budget_s

    def _usual_s(self) -> float:
        return sum(row.seconds for row in self.tried) / len(self.tried)

    def coordinates(self) -> None:
        moved = True
        while moved:
            moved = False
            for name in self.free:
                moved = self._slide(name, 1) or self._slide(name, -1) or moved

    def leap(self, draws: np.random.Generator) -> bool:
        """Move two parameters at once to any candidates; return whether that improved the value."""
        trial = dict(self.best.parameters)
        for place in draws.choice(len(self.free), 2, replace=False):
            candidates = self.space[self.free[place]]
            trial[self.free[place]] = candidates[int(draws.integers(len(candidates)))]
        return self._try(trial)

    def _slide(self, name: str, step: int) -> bool:
        moved = False
        while True:
            place = _find_nearest_index(self.space[name], self.best.parameters[name]) + step
            if not 0 <= place < len(self.space[name]):
                return moved
            if not self._try({**self.best.parameters, name: self.space[name][place]}):
                return moved
            moved = True

    def _try(self, trial: Parameters) -> bool:
        if any(row.parameters == trial for row in self.tried) or not self.time_left():
            return False
        row = self._row(trial)
        if row.value > self.best.value or (math.isnan(self.best.value) and not math.isnan(row.value)):
            self.best = row
            return True
        return False

    def _row(self, parameters: Parameters) -> Trial:
        begun = self.clock()
        value = float(self.evaluate(dict(parameters)))
        row = Trial(parameters, value, self.clock() - begun)
        self.tried.append(row)
        return row


def _choose_start(space: Space, start: Mapping[str, Any] | None) -> Parameters:
    for name, candidates in space.items():
        if not len(candidates):
            raise ValueError(f"space[{name!r}] has no candidate")
    begin = {name: candidates[(len(candidates) - 1) // 2] for name, candidates in space.items()} | dict(start or {})
    for name, candidates in space.items():
        if begin[name] not in candidates:
            raise ValueError(f"start has {name}={begin[name]!r}, which is not among its candidates {list(candidates)}")
    return begin


def _find_nearest_index(candidates: Sequence[Any], value: Any) -> int:
    return list(candidates).index(value)
