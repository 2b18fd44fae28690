"""Scores of one visitor, shared by recommendations, ranking and search."""

import numpy as np

from recommendations.engine.online.ensemble_scorer import ScoredHistory
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.pipeline.context import RecommendationContext
from recommendations.serving.state.compiled_rules import Factors


def score_visitor(context: RecommendationContext) -> ScoredHistory | None:
    """Return the for-you scores of the visitor; None without a history.

    If the trained weights give a visit without purchases no personal score, the ensemble for visits scores it instead.

    Errors: DeadlineExceededError when the deadline of the context has passed.
    """
    blend, history = context.get_blend(FOR_YOU), context.visitor.history
    if blend is None or history is None or not len(history.item):
        return None
    workspace = context.workspaces.take()
    scored = blend.score(history, workspace, due=context.deadline)
    blends = context.state.blends
    assert blends is not None
    if not scored.is_personalized and blends.visit is not None and not len(context.visitor.get_purchased_rows()):
        workspace.clear()  # it still has the scores of the first ensemble
        scored = blends.visit.score(history, workspace, due=context.deadline)
    return scored


def score_by_rank(n: int) -> Factors:
    """Return 1, 1/2, 1/3 … for candidates that have an order but no score; shape (n,)."""
    return (1.0 / np.arange(1.0, n + 1.0)).astype(np.float32)
