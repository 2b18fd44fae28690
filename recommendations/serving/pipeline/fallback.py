"""Step 3 of a recommendation: replace a placement that has no candidates."""

import numpy as np

from recommendations.engine.placements import POPULAR
from recommendations.serving.pipeline.candidates import LATE, find_candidates
from recommendations.serving.pipeline.context import LAST_RESORT, Candidates, RecommendationContext
from recommendations.serving.pipeline.scoring import score_by_rank

FILTERS_DROPPED = "filters"


def apply_fallback(context: RecommendationContext, candidates: Candidates) -> Candidates:
    """Return the candidates, or those of the first fallback that has any, with the reason.

    The chain follows each placement's own fallback; after a missed deadline it goes straight to popular products, which are
    scored in advance. The last resort is the catalog itself. A strict request has no fallback.
    """
    requested = candidates.placement
    reason = FILTERS_DROPPED if context.has_relaxed_filters else None
    tried: set[str] = set()
    while True:
        placement = candidates.placement
        if len(candidates.rows):
            if placement != requested or reason == FILTERS_DROPPED:
                candidates.fallback, candidates.fallback_reason = placement, reason
            return candidates
        if context.request.strict:
            return candidates
        reason = reason or candidates.problem
        tried.add(placement)
        is_late = candidates.problem == LATE and placement != POPULAR
        next_placement = POPULAR if is_late else context.get_config(placement).get_fallback()
        if next_placement is None or next_placement in tried:
            break
        candidates = find_candidates(context, next_placement)
    candidates = _find_last_resort(context)
    candidates.placement, candidates.fallback, candidates.fallback_reason = requested, LAST_RESORT, reason
    return candidates


def _find_last_resort(context: RecommendationContext) -> Candidates:
    """Return the newest products, then all others in the order of the catalog."""
    newest = context.state.products.get_newest_rows()
    rows = np.concatenate([newest, np.flatnonzero(context.allowed).astype(np.int32)])
    excluded = np.concatenate([context.excluded, context.visitor.dismissed])
    rows = rows[context.allowed[rows] & ~np.isin(rows, excluded)]
    _distinct, first = np.unique(rows, return_index=True)
    rows = rows[np.sort(first)][: context.depth]
    return Candidates(LAST_RESORT, rows, score_by_rank(len(rows)))
