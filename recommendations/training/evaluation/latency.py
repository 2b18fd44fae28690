"""Latency of one recommendation with a fitted model: scores, top ten, and their sources."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recommendations.engine import Algorithm, Histories, select_top_n
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.online.ensemble_scorer import OnlineEnsemble, Workspace

MEASURED_USERS = 40
N_PRODUCTS = 10


@dataclass(frozen=True)
class Latency:
    """Milliseconds in this process: median and 95th percentile."""

    median_ms: float
    slow_ms: float


def measure_latency(*, model: Algorithm, histories: Histories, seed: int) -> Latency:
    """Time one user after the other, as requests arrive."""
    with_history = np.flatnonzero(np.diff(histories.indptr))
    if not len(with_history):
        return Latency(0.0, 0.0)
    rows = (
        np.random.default_rng(seed).choice(with_history, min(MEASURED_USERS, len(with_history)), replace=False).tolist()
    )
    recommend_once = make_recommender(model, histories.n_items)
    # Not measured: the first call compiles kernels and touches memory that later calls find ready, as in a worker.
    recommend_once(histories.slice_rows(rows[0], rows[0] + 1))
    milliseconds = []
    for row in rows:
        history = histories.slice_rows(row, row + 1)
        started_at = time.perf_counter()
        recommend_once(history)
        milliseconds.append((time.perf_counter() - started_at) * 1000)
    return Latency(round(float(np.median(milliseconds)), 2), round(float(np.percentile(milliseconds, 95)), 2))


def make_recommender(model: Algorithm, n: int) -> Callable[[Histories], object]:
    """Return a function that recommends as serving does.

    An ensemble has an online scorer; any other algorithm scores a batch of one.
    """
    if not isinstance(model, WeightedEnsemble):
        return lambda history: score_as_batch(model, history)
    ensemble = OnlineEnsemble(model, n)
    workspace, all_allowed, none_excluded = Workspace(n, ensemble.width), np.ones(n, np.bool_), np.empty(0, np.int32)

    def score_online(history: Histories) -> None:
        scored = ensemble.score(history, workspace)
        rows, _values = scored.select_top(N_PRODUCTS, allowed=all_allowed, excluded=none_excluded)
        scored.find_main_causes(rows)
        workspace.clear()

    return score_online


def score_as_batch(model: Algorithm, history: Histories) -> None:
    """Score one history as a batch and explain the top products."""
    top = select_top_n(model.score(history), N_PRODUCTS).items[0]
    model.explain_many(history, top[top >= 0].tolist(), limit=5)
