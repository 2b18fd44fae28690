"""Step 5 of a recommendation: give some positions of for-you to new products.

Otherwise a product without interactions would never be shown, and a product that is never shown gets no interactions.
"""

from dataclasses import dataclass, field

import numpy as np

from recommendations.engine.online.context import HistoryContext
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.pipeline.context import Candidates, RecommendationContext
from recommendations.serving.pipeline.new_products import (
    ChosenProducts,
    choose_new_products,
    get_exploration_interval,
    list_exploration_slots,
    merge_new_products,
)
from recommendations.serving.pipeline.ordering import make_seed


@dataclass(frozen=True)
class ExploredList:
    """(row, score) pairs with new products among them, the rows of the new ones, and the candidates they were chosen from."""

    ranked: list[tuple[int, float]]
    new: set[int] = field(default_factory=set)
    chosen: ChosenProducts | None = None


def explore(context: RecommendationContext, candidates: Candidates) -> ExploredList:
    """Return the list with new products among the candidates.

    Pages are cut from one list that begins at the first position, so that no product is on two pages.
    """
    ranked = list(zip(candidates.rows.tolist(), candidates.scores.tolist(), strict=True))
    if context.request.scenario != FOR_YOU or not ranked:
        return ExploredList(ranked)
    end = context.offset + context.request.n + 1
    interval = get_exploration_interval(context.get_config(FOR_YOU).exploration)
    if interval is None:
        return ExploredList(ranked)
    seed = make_seed(*context.visitor.names, context.minute)
    slots = list_exploration_slots(interval=interval, seed=seed, end=end)
    if not slots:
        return ExploredList(ranked)
    groups, excluded = context.groups, context.get_excluded_rows(FOR_YOU)
    if groups is not None and context.visitor.history is not None:
        excluded = np.concatenate([excluded, groups.expand(context.visitor.history.item)])
    chosen = choose_new_products(
        state=context.state,
        history=_get_history(context, candidates),
        allowed=context.allowed,
        excluded=excluded,
        seed=seed,
        now=context.now,
    )
    if chosen is None:
        return ExploredList(ranked)
    keys = groups.codes if groups is not None else None
    pairs = merge_new_products(ranked, chosen.rows.tolist(), slots=frozenset(slots), keys=keys, limit=end)
    new = {row for row, score in pairs if score is None}
    return ExploredList([(row, 0.0 if score is None else score) for row, score in pairs], new, chosen)


def _get_history(context: RecommendationContext, candidates: Candidates) -> HistoryContext | None:
    """Return the visitor's history with the sums that scoring has computed from it."""
    history, scored = context.visitor.history, candidates.scored
    if history is None:
        return None
    if scored is not None and scored.context.history is history:
        return scored.context
    return HistoryContext(history, context.workspaces.take())
