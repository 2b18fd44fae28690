"""Latency of one recommendation with a fitted model: scores, top ten, and their sources."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recommendations.engine import Algorithm, Histories, top_n
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.online.ensemble_scorer import OnlineEnsemble, Workspace

MEASURED_CUSTOMERS = 40
SHOWN_PRODUCTS = 10


@dataclass(frozen=True)
class Latency:
    """Milliseconds in this process: median and 95th percentile."""

    median_ms: float
    slow_ms: float


def measure_latency(*, model: Algorithm, histories: Histories, seed: int) -> Latency:
    """Time one customer after the other, as requests arrive; the first is not counted because it compiles and loads."""
    with_history = np.flatnonzero(np.diff(histories.indptr))
    if not len(with_history):
        return Latency(0.0, 0.0)
    chosen = np.random.default_rng(seed).choice(with_history, min(MEASURED_CUSTOMERS, len(with_history)), replace=False)
    recommend_once = make_recommender(model, histories.n_items)
    recommend_once(histories.rows(int(chosen[0]), int(chosen[0]) + 1))
    milliseconds = []
    for row in chosen.tolist():
        history = histories.rows(row, row + 1)
        began = time.perf_counter()
        recommend_once(history)
        milliseconds.append((time.perf_counter() - began) * 1000)
    return Latency(round(float(np.median(milliseconds)), 2), round(float(np.percentile(milliseconds, 95)), 2))


def make_recommender(model: Algorithm, n: int) -> Callable[[Histories], object]:
    """Return a function that recommends as serving does: an ensemble per history, anything else as a batch of one."""
    if not isinstance(model, WeightedEnsemble):
        return lambda history: score_as_batch(model, history)
    ensemble = OnlineEnsemble(model, n)
    work, all_allowed, none_excluded = Workspace(n, ensemble.width), np.ones(n, np.bool_), np.empty(0, np.int32)

    def answer(history: Histories) -> None:
        scored = ensemble.score(history, work)
        rows, _values = scored.select_top(SHOWN_PRODUCTS, allowed=all_allowed, excluded=none_excluded)
        scored.find_main_causes(rows)
        work.clear()

    return answer


def score_as_batch(model: Algorithm, history: Histories) -> None:
    """Score one history as a batch and explain the top products."""
    shown = top_n(model.score(history), SHOWN_PRODUCTS).items[0]
    model.explain_many(history, shown[shown >= 0].tolist(), limit=5)
