"""Step 7 of a recommendation: the reason of every item, from the main cause of its score."""

from collections.abc import Collection, Sequence

import numpy as np

from recommendations.engine import Contribution
from recommendations.engine.placements import NEW, RECENTLY_VIEWED
from recommendations.serving.pipeline import reasons
from recommendations.serving.pipeline.context import COLD_START, LAST_RESORT, Candidates, RecommendationContext
from recommendations.serving.pipeline.reasons import ItemReason


def explain(
    context: RecommendationContext,
    candidates: Candidates,
    rows: Sequence[int],
    *,
    new: Collection[int] = (),
    pinned: Collection[int] = (),
) -> dict[int, ItemReason]:
    """Return the reason of each row.

    new: rows selected by exploration. pinned: rows pinned by a rule.
    """
    ranked = [row for row in rows if row not in new and row not in pinned]
    by_row = _explain_candidates(context, candidates, ranked)
    if new:
        by_row |= dict.fromkeys(new, reasons.make_new_product_reason())
    if pinned:
        by_row |= dict.fromkeys(pinned, reasons.make_pinned_reason())
    return by_row


def _explain_candidates(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> dict[int, ItemReason]:
    if candidates.fillers and not candidates.fillers.isdisjoint(rows):
        own = [row for row in rows if row not in candidates.fillers]
        fillers = [row for row in rows if row in candidates.fillers]
        return _explain_candidates(context, candidates, own) | dict.fromkeys(fillers, reasons.make_popular_reason())
    if candidates.scored is not None:
        return _explain_scores(context, candidates, rows)
    if candidates.strategy == COLD_START and candidates.arrival is not None:
        category = context.request.landing_category.rpartition(" > ")[2]
        contributions = _explain_arrival(context, candidates, rows)
        return {
            row: reasons.choose_cold_start_reason(parts, category=category)
            for row, parts in zip(rows, contributions, strict=True)
        }
    if candidates.strategy == NEW:
        return dict.fromkeys(rows, reasons.make_new_product_reason())
    if candidates.strategy == RECENTLY_VIEWED:
        ids = context.state.products.product_ids
        return {row: reasons.make_recently_viewed_reason(ids[row]) for row in rows}
    is_last_resort = candidates.strategy == LAST_RESORT
    return dict.fromkeys(rows, reasons.make_catalog_reason() if is_last_resort else reasons.make_popular_reason())


def _explain_scores(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> dict[int, ItemReason]:
    """Return the reasons of scored rows; rows with the same cause share one."""
    scored = candidates.scored
    assert scored is not None
    causes = scored.find_main_causes(np.array(rows, np.int32)) if rows else []
    by_cause: dict[tuple[int, str, int], ItemReason] = {}
    by_row = {}
    for row, cause in zip(rows, causes, strict=True):
        key = (cause.item, cause.source, row if cause.item == row else -1)
        if key not in by_cause:
            by_cause[key] = reasons.choose_reason(
                row=row,
                cause=cause,
                history=scored.history,
                products=context.state.products,
                placement=candidates.placement,
            )
        by_row[row] = by_cause[key]
    return by_row


def _explain_arrival(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> list[list[Contribution]]:
    model = context.state.model
    assert model is not None
    assert model.cold_start is not None
    assert candidates.arrival is not None
    return model.cold_start.model.explain_many(candidates.arrival, rows)
