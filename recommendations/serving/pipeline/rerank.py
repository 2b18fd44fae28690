"""Step 4 of a recommendation: rotate and diversify candidates, and fill up a short list."""

from dataclasses import replace

import numpy as np

from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.placements import (
    BUY_AGAIN,
    CART,
    CATEGORIES,
    FOR_YOU,
    POPULAR,
    RECENTLY_VIEWED,
    TRENDING,
)
from recommendations.engine.variety.kernels import spread_purchased
from recommendations.serving.pipeline.candidates import find_candidates, find_popular_rows
from recommendations.serving.pipeline.context import Candidates, RecommendationContext
from recommendations.serving.pipeline.fallback import apply_fallback, find_last_resort
from recommendations.serving.pipeline.ordering import (
    POOL_SIZE,
    RandomOrder,
    compute_log_weights,
    compute_similarity,
    diversify,
    make_seed,
    rotate,
)
from recommendations.serving.state.model import NO_ROWS

FILLED_PLACEMENTS = (FOR_YOU, CART)  # for the visitor rather than for one product, so that popular products fit too
EARLY_FILLED_PLACEMENTS = (*FILLED_PLACEMENTS, POPULAR, TRENDING)  # in a new shop, whose few sales fill no list
FIXED_ORDER_PLACEMENTS = (RECENTLY_VIEWED, CATEGORIES)


def rank_candidates(context: RecommendationContext) -> Candidates:
    """Return the candidates of the requested placement, or of its fallback, in the order in which they are shown."""
    return rerank(context, apply_fallback(context, find_candidates(context, context.request.scenario)))


def rerank(context: RecommendationContext, candidates: Candidates) -> Candidates:
    """Put the candidates into the order in which they are shown."""
    if context.request.scenario in FIXED_ORDER_PLACEMENTS:
        return _fill_up(context, candidates)
    if len(candidates.rows) >= 2:
        _rotate(context, candidates)
        _diversify(context, candidates)
    return _limit_purchased(context, _fill_up(context, candidates))


def _rotate(context: RecommendationContext, candidates: Candidates) -> None:
    """Swap candidates that are near each other, differently for each visitor and period."""
    scenario = context.request.scenario
    config = context.get_config(scenario)
    if config.rotation:
        period = context.minute // (60 * config.rotation_hours)
        seed = make_seed(*context.visitor.names, scenario, period)
        log_weights = compute_log_weights(candidates.scores[:POOL_SIZE], config.rotation)
        order = rotate(log_weights, seed=seed)
        candidates.reorder(order, POOL_SIZE)
        candidates.random_order = RandomOrder(candidates.rows[:POOL_SIZE], log_weights[order])


def _diversify(context: RecommendationContext, candidates: Candidates) -> None:
    diversity = context.get_diversity()
    if not diversity:
        return
    pool, scores = candidates.rows[:POOL_SIZE], candidates.scores[:POOL_SIZE]
    model = context.state.model
    similarity = compute_similarity(
        pool, products=context.state.products, blend=model.blend if model is not None else None
    )
    if context.get_config(context.request.scenario).rotation:
        # the rotated order counts as the order of relevance
        scores = np.sort(scores)[::-1]
    candidates.reorder(diversify(pool, scores, diversity=diversity, similarity=similarity), POOL_SIZE)
    candidates.random_order = None


def _fill_up(context: RecommendationContext, candidates: Candidates) -> Candidates:
    """Append popular products with score 0 to a list that is shorter than requested, or has too many purchased products.

    In a new shop, the products of the catalog follow the popular ones.
    """
    missing = context.depth - _count_usable(context, candidates)
    is_early = context.state.products.is_early
    placements = EARLY_FILLED_PLACEMENTS if is_early else FILLED_PLACEMENTS
    if candidates.placement not in placements or context.request.strict or missing <= 0:
        return candidates
    # Both sources leave out what the list cannot show before they select: a visitor may have bought all the best sellers.
    history = context.visitor.history
    known = history.item if history is not None else NO_ROWS  # fill up with products that are new to the visitor
    excluded = context.get_excluded_rows(candidates.placement, context.get_start_rows())
    shown_or_excluded = np.concatenate([candidates.rows, known, excluded])
    if context.groups is not None:
        shown_or_excluded = context.groups.expand(shown_or_excluded)
    rows = find_popular_rows(context, missing, excluded=shown_or_excluded)
    if is_early and len(rows) < missing:
        others = np.concatenate([shown_or_excluded, rows])
        catalog = find_last_resort(context, missing - len(rows), excluded=others)
        rows = np.concatenate([rows, catalog.rows.astype(rows.dtype)])
    if not len(rows):
        return candidates
    candidates.fillers = frozenset(rows.tolist())
    candidates.rows = np.concatenate([candidates.rows, rows])
    candidates.scores = np.concatenate([candidates.scores, np.zeros(len(rows), np.float32)])
    return candidates


def _count_usable(context: RecommendationContext, candidates: Candidates) -> int:
    """Return the number of candidates without the purchased products beyond the limit of the placement."""
    share = get_max_purchased_share(context, candidates)
    if share >= 1:
        return len(candidates.rows)
    purchased = int(np.count_nonzero(are_members(candidates.rows, context.purchased_rows)))
    return len(candidates.rows) - purchased + min(purchased, int(share * context.depth))


def _limit_purchased(context: RecommendationContext, candidates: Candidates) -> Candidates:
    """Spread purchased products over the list, no more than the placement allows."""
    share = get_max_purchased_share(context, candidates)
    if share < 1:
        is_purchased = are_members(candidates.rows, context.purchased_rows)
        if candidates.random_order is not None:
            candidates.random_order = replace(
                candidates.random_order,
                is_purchased=is_purchased[: len(candidates.random_order.rows)],
                max_purchased_share=share,
            )
        candidates.reorder(spread_purchased(is_purchased, share), len(candidates.rows))
    return candidates


def get_max_purchased_share(context: RecommendationContext, candidates: Candidates) -> float:
    """Return the limit of the placement whose products are shown; 1 for a visitor without purchases."""
    if candidates.placement in (BUY_AGAIN, ""):
        return 1.0
    share = context.get_config(candidates.placement).get_max_purchased_share()
    return share if share < 1 and len(context.purchased_rows) else 1.0
