"""How long one recommendation takes with a fitted model: scores, the best ten, and where each comes from."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recommendations.engine import Algorithm, Histories, top_n
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.online.ensemble_scorer import SingleBlend, Workspace

PEOPLE = 40
SHOWN = 10


@dataclass(frozen=True)
class Latency:
    """Milliseconds in this process: of half the answers at most, and of nineteen in twenty."""

    median_ms: float
    slow_ms: float


def measure_latency(*, model: Algorithm, histories: Histories, seed: int) -> Latency:
    """One person after the other, as requests come; the first one is not counted, it compiles and reads."""
    known = np.flatnonzero(np.diff(histories.indptr))
    if not len(known):
        return Latency(0.0, 0.0)
    chosen = np.random.default_rng(seed).choice(known, min(PEOPLE, len(known)), replace=False)
    answer = answering(model, histories.n_items)
    answer(histories.rows(int(chosen[0]), int(chosen[0]) + 1))
    taken = []
    for row in chosen.tolist():
        history = histories.rows(row, row + 1)
        began = time.perf_counter()
        answer(history)
        taken.append((time.perf_counter() - began) * 1000)
    return Latency(round(float(np.median(taken)), 2), round(float(np.percentile(taken, 95)), 2))


def answering(model: Algorithm, n: int) -> Callable[[Histories], object]:
    """As the model serves: a blend one history at a time, anything else as in a batch of one."""
    if not isinstance(model, Blend):
        return lambda history: in_a_batch(model, history)
    blend = SingleBlend(model, n)
    work, everything, nothing = Workspace(n, blend.width), np.ones(n, np.bool_), np.empty(0, np.int32)

    def answer(history: Histories) -> None:
        scored = blend.score(history, work)
        rows, _values = scored.best(SHOWN, allowed=everything, barred=nothing)
        scored.causes(rows)
        work.clear()

    return answer


def in_a_batch(model: Algorithm, history: Histories) -> None:
    shown = top_n(model.score(history), SHOWN).items[0]
    model.explain_many(history, shown[shown >= 0].tolist(), limit=5)
