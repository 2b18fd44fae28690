"""Step 7 of a recommendation: the reason of every item, from the main cause of its score."""

from collections.abc import Collection, Sequence

import numpy as np
from django.utils.translation import get_language

from recommendations.engine import Contribution
from recommendations.engine.placements import NEW, RECENTLY_VIEWED
from recommendations.serving.pipeline import reasons
from recommendations.serving.pipeline.context import COLD_START, LAST_RESORT, Candidates, RecommendationContext
from recommendations.serving.pipeline.new_products import get_new_rows
from recommendations.serving.pipeline.reasons import RELATED_PLACEMENTS, ItemReason


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
    ranked = [row for row in rows if row not in new and row not in pinned] if new or pinned else rows
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
        return _explain_candidates(context, candidates, own) | _explain_popular(context, fillers)
    if candidates.scored is not None:
        return _explain_scores(context, candidates, rows)
    if candidates.strategy == COLD_START and candidates.arrival is not None:
        contributions = _explain_arrival(context, candidates, rows)
        return {
            row: reasons.choose_cold_start_reason(
                parts,
                row=row,
                landing_path=context.request.landing_category,
                products=context.state.products,
                support=context.state.reason_support,
            )
            for row, parts in zip(rows, contributions, strict=True)
        }
    if candidates.strategy == NEW:
        new = set(get_new_rows(context.state.products, context.now).tolist())
        explained = _explain_popular(context, [row for row in rows if row not in new])
        return explained | {row: reasons.make_new_product_reason() for row in rows if row in new}
    if candidates.strategy == RECENTLY_VIEWED:
        ids = context.state.products.product_ids
        return {row: reasons.make_recently_viewed_reason(ids[row]) for row in rows}
    if candidates.strategy == LAST_RESORT:
        return dict.fromkeys(rows, reasons.make_catalog_reason())
    return _explain_popular(context, rows)


def _explain_popular(context: RecommendationContext, rows: Sequence[int]) -> dict[int, ItemReason]:
    support = context.state.reason_support
    return {row: reasons.choose_popular_reason(row, support) for row in rows}


def _explain_scores(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> dict[int, ItemReason]:
    """Return the reasons of scored rows; rows with the same cause share one."""
    if not rows:
        return {}
    scored = candidates.scored
    assert scored is not None
    support, products = context.state.reason_support, context.state.products
    causes = support.find_row_causes(
        scored, np.array(rows, np.int32), is_related=candidates.placement in RELATED_PLACEMENTS
    )
    history, language = scored.history, get_language()
    distinct = [
        reasons.choose_reason(
            row,
            item,
            causes.reasons[source],
            level,
            bool(is_general),
            last_kind,
            history=history,
            products=products,
            placement=candidates.placement,
            is_due=row in candidates.due,
            support=support,
            language=language,
        )
        for row, item, source, level, is_general, last_kind in causes.lines
    ]
    return dict(zip(rows, map(distinct.__getitem__, causes.numbers), strict=True))


def _explain_arrival(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> list[list[Contribution]]:
    model = context.state.model
    assert model is not None
    assert model.cold_start is not None
    assert candidates.arrival is not None
    return model.cold_start.model.explain_many(candidates.arrival, rows)
