"""Scores of one visitor, shared by recommendations, ranking and search."""

from functools import partial

import numpy as np

from recommendations.engine.data.visits import MAX_POSITIONS, find_visit_factor
from recommendations.engine.online.ensemble_scorer import ScoredHistory
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.pipeline.context import RecommendationContext
from recommendations.serving.pipeline.new_products import get_exploration_interval, list_exploration_slots
from recommendations.serving.pipeline.ordering import make_seed
from recommendations.serving.pipeline.variety.selection import select_candidates, select_distinct
from recommendations.serving.state.compiled_rules import Factors


def score_visitor(context: RecommendationContext) -> ScoredHistory | None:
    """Return the for-you scores of the visitor, with those of the current visit; None without a history.

    If the trained weights give a visit without purchases no personal score, the ensemble for visits scores it instead.

    Errors: DeadlineExceededError when the deadline of the context has passed.
    """
    blend, history = context.get_blend(FOR_YOU), context.visitor.history
    if blend is None or history is None or not (len(history.item) or context.visitor.visit is not None):
        return None
    workspace = context.workspaces.take()
    scored = blend.score(history, workspace, due=context.deadline)
    blends = context.state.blends
    assert blends is not None
    if not scored.is_personalized and blends.visit is not None and not len(context.visitor.get_purchased_rows()):
        workspace.clear()  # it still has the scores of the first ensemble
        scored = blends.visit.score(history, workspace, due=context.deadline)
    _add_current_visit(context, scored)
    return scored


def _add_current_visit(context: RecommendationContext, scored: ScoredHistory) -> None:
    """Give products related to the current visit their positions among the best ten.

    There are as many positions as the training has learned, at least the share that the placement demands.
    """
    blends, visit = context.state.blends, context.visitor.visit
    assert blends is not None
    positions = max(blends.visit_positions, round(context.get_config(FOR_YOU).visit_share * MAX_POSITIONS))
    if visit is None or blends.current_visit is None or not positions:
        return
    visit_scored = blends.current_visit.score(visit, context.workspaces.take())
    visit_scored.remove_visited()
    excluded, factors, allowed = context.get_excluded_rows(FOR_YOU), context.factors, context.allowed_for_you
    shown, shown_scores = scored.select_top(MAX_POSITIONS, allowed=allowed, excluded=excluded, factors=factors)
    listed, _scores = select_candidates(
        context, scored, placement=FOR_YOU, n=MAX_POSITIONS, excluded=excluded, allowed=allowed
    )
    visited = visit.item if context.groups is None else context.groups.expand(visit.item)
    # Products that are shown anyway, or that the visitor has bought before, do not count as an answer to the visit.
    others = np.concatenate([excluded, shown, listed, visited, context.purchased_rows])
    select_top = partial(visit_scored.select_top, allowed=allowed, excluded=others, factors=factors)
    rows, scores = select_distinct(context, select_top, positions)
    if len(rows):
        base_scores, shown_visit_scores = scored.get_scores(rows), visit_scored.get_scores(shown)
        if factors is not None:
            base_scores, shown_visit_scores = base_scores * factors[rows], shown_visit_scores * factors[shown]
        n_ranked = _count_ranked_positions(context)
        factor = find_visit_factor(shown_scores, shown_visit_scores, base_scores, scores, n_ranked)
        scored.add_visit(visit_scored, factor)


def _count_ranked_positions(context: RecommendationContext) -> int:
    """Return how many of ten positions are not kept for new products."""
    interval = get_exploration_interval(context.get_config(FOR_YOU).exploration)
    if interval is None:
        return MAX_POSITIONS
    seed = make_seed(*context.visitor.names, context.minute)
    return MAX_POSITIONS - len(list_exploration_slots(interval=interval, seed=seed, end=MAX_POSITIONS))


def score_by_rank(n: int) -> Factors:
    """Return 1, 1/2, 1/3 … for candidates that have an order but no score; shape (n,)."""
    return (1.0 / np.arange(1.0, n + 1.0)).astype(np.float32)
