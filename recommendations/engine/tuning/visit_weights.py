"""Chooses the components that score the current visit, and how many of ten positions it gets; the others stay with for-you."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm, Scores
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.data.visits import MAX_POSITIONS, cut_visits, find_visit_factor
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries
from recommendations.engine.evaluation.placement_evaluation import (
    Lists,
    QueryScores,
    evaluate_lists,
    make_ensemble,
    tune_shares,
)
from recommendations.engine.linear_algebra.sparse import list_entry_rows
from recommendations.engine.topn import count_block_rows, select_top_n

DECAYS = (0.5, 0.7, 0.85, 1.0)
METRIC = "hit_rate"  # whether the row contains the next product of the visit, at whatever position

type Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class VisitWeights:
    """The ensemble of the current visit: component → share, the decay per product back, and its positions out of ten.

    positions: 0 where there was nothing to learn from, or where the visit did not help beyond chance.
    """

    weights: Mapping[str, float]
    decay: float
    positions: int


@dataclass(frozen=True, eq=False)
class VisitComponents:
    """base: the ensemble of for-you, for histories under `event_weights`; parts: candidates for the ensemble of the visit."""

    base: Algorithm
    parts: Mapping[str, Algorithm]
    event_weights: EventWeights
    normalization: str = "max"


def tune_visit_ensemble(components: VisitComponents, queries: EvaluationQueries) -> VisitWeights:
    """Return the shares and the decay with the largest mean NDCG@10 of the visit alone. Errors: ValueError without parts."""
    tuned = []
    for decay in DECAYS:
        visits = replace(queries, histories=cut_visits(queries.histories, decay=decay))
        tuned.append((*tune_shares(components.parts, visits, normalization=components.normalization), decay))
    weights, _value, decay = max(tuned, key=lambda result: result[1])
    return VisitWeights(weights, decay, 0)


def tune_visit_positions(
    components: VisitComponents, weights: VisitWeights, queries: EvaluationQueries, *, seed: int
) -> VisitWeights:
    """Return the weights with the positions whose gain in hit rate@10 has the largest lower bound; 0 if none helps beyond chance.

    The largest mean gain would often be due to chance: most numbers of positions differ by fewer hits than chance causes.
    """
    without, *lists = rank_in_visits(components, weights, queries, range(MAX_POSITIONS + 1), seed=seed)
    gains = [evaluate_lists(own, without, queries, seed=seed).difference[METRIC].low for own in lists]
    best = int(np.argmax(gains))
    return replace(weights, positions=best + 1 if gains[best] > 0 else 0)


def compare_visits(
    components: VisitComponents, weights: VisitWeights, queries: EvaluationQueries, *, positions: int, seed: int
) -> QueryScores:
    """Compare for-you with so many positions for the visit with for-you without a component for the visit."""
    own, base = rank_in_visits(components, weights, queries, (positions, 0), seed=seed)
    return evaluate_lists(own, base, queries, seed=seed)


def rank_in_visits(
    components: VisitComponents,
    weights: VisitWeights,
    queries: EvaluationQueries,
    positions: Sequence[int],
    *,
    seed: int,
) -> list[Lists]:
    """Return int32 (n, 10) for each number of positions: the best items by base + factor · visit that each query allows."""
    visit = make_ensemble(components.parts, weights.weights, components.normalization)
    size = max(1, count_block_rows(queries.histories.n_items) // 2)
    lists: list[list[Lists]] = [[np.empty((0, MAX_POSITIONS), np.int32)] for _count in positions]
    for start in range(0, len(queries), size):
        block = queries.slice_rows(start, start + size)
        weighted = components.event_weights.of_histories(block.histories)
        base_scores = _get_allowed_scores(components.base.score(weighted.select_entries(weighted.weight > 0)), block)
        visit_scores = _get_allowed_scores(visit.score(cut_visits(block.histories, decay=weights.decay)), block)
        for count, parts in zip(positions, lists, strict=True):
            factors = find_visit_factors(base_scores, visit_scores, count)
            scores = base_scores + factors[:, None] * visit_scores
            scores[scores <= 0] = -np.inf
            parts.append(select_top_n(scores, MAX_POSITIONS, tie_seed=seed, first_row=start).items)
    return [np.concatenate(parts) for parts in lists]


def find_visit_factors(base_scores: Values, visit_scores: Values, positions: int) -> Values:
    """Return per row the factor of the visit that brings `positions` of its products among the best ten, see `find_visit_factor`.

    Products that the base has among its best ten anyway don't count. Scores are 0 for items that must not be shown; shapes
    (n, n_items) → (n,).
    """
    factors = np.zeros(len(base_scores), np.float32)
    if not positions:
        return factors
    shown = select_top_n(np.where(base_scores > 0, base_scores, np.float32(-np.inf)), MAX_POSITIONS).items
    others = np.where(visit_scores > 0, visit_scores, np.float32(-np.inf))
    rows, ranks = np.nonzero(shown >= 0)
    others[rows, shown[rows, ranks]] = -np.inf
    brought = select_top_n(others, positions).items
    for row in range(len(factors)):
        base, visit, best, new = base_scores[row], visit_scores[row], shown[row], brought[row]
        best, new = best[best >= 0], new[new >= 0]
        factors[row] = find_visit_factor(base[best], visit[best], base[new], visit[new], MAX_POSITIONS)
    return factors


def _get_allowed_scores(scores: Scores, block: EvaluationQueries) -> Values:
    """Return dense scores, 0 where there is none or the query excludes the item."""
    dense = scores.toarray() if isinstance(scores, csr_array) else scores
    dense = np.where(np.isfinite(dense), np.maximum(dense, 0), np.float32(0)).astype(np.float32)
    if block.excluded is not None:
        dense[list_entry_rows(block.excluded), block.excluded.indices] = 0
    return dense
