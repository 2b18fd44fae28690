"""Step 7 of a recommendation: the reason of every item, from the main cause of its score."""

from collections.abc import Collection, Sequence

import numpy as np
from django.utils.translation import get_language

from recommendations.engine import Contribution
from recommendations.engine.online.cause_kernels import find_last_kinds, group_causes
from recommendations.engine.online.ensemble_scorer import MainCause
from recommendations.engine.placements import NEW, RECENTLY_VIEWED
from recommendations.serving.pipeline import reasons
from recommendations.serving.pipeline.context import COLD_START, LAST_RESORT, Candidates, RecommendationContext
from recommendations.serving.pipeline.reasons import RELATED_PLACEMENTS, ItemReason
from recommendations.serving.state.reason_support import CAUSE_SUPPORTS

MIN_WHOLE_SHARE = 0.5  # of a score; a product that caused so much is its reason, however often it is bought


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
        return dict.fromkeys(rows, reasons.make_new_product_reason())
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
    support, history = context.state.reason_support, scored.history
    row_array = np.array(rows, np.int32)
    is_related = candidates.placement in RELATED_PLACEMENTS
    causes = scored.attribute_main_causes(row_array, None if is_related else support.claimed_supports)
    levels, is_general = support.grade_cause_columns(causes, row_array)
    is_general &= causes.shares < MIN_WHOLE_SHARE  # if no other product explains a row, its cause does
    # the reason of a score that no product of the history explains depends only on the popularity of the row
    first, numbers = group_causes(
        row_array, causes.items, causes.sources, levels, is_general, support.are_popular(row_array), is_related
    )
    language = get_language()
    items = causes.items[first]
    columns = zip(
        row_array[first].tolist(),
        items.tolist(),
        causes.sources[first].tolist(),
        levels[first].tolist(),
        is_general[first].tolist(),
        find_last_kinds(history.item, history.kind, items).tolist(),
        strict=True,
    )
    distinct = [
        reasons.choose_reason(
            row=row,
            cause=MainCause(item, causes.names[source], 0.0),
            grade=CAUSE_SUPPORTS[level, general],
            history=history,
            products=context.state.products,
            placement=candidates.placement,
            support=support,
            last_kind=last_kind,
            language=language,
        )
        for row, item, source, level, general, last_kind in columns
    ]
    return dict(zip(rows, map(distinct.__getitem__, numbers.tolist()), strict=True))


def _explain_arrival(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> list[list[Contribution]]:
    model = context.state.model
    assert model is not None
    assert model.cold_start is not None
    assert candidates.arrival is not None
    return model.cold_start.model.explain_many(candidates.arrival, rows)
