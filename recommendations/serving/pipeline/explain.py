"""Step 7 of a recommendation: the reason of every item, from the main cause of its score."""

from collections.abc import Collection, Sequence

import numpy as np
from django.utils.translation import get_language

from recommendations.engine import Contribution
from recommendations.engine.online.ensemble_scorer import MainCause
from recommendations.engine.pair_support.support import SupportLevel
from recommendations.engine.placements import NEW, RECENTLY_VIEWED
from recommendations.serving.pipeline import reasons
from recommendations.serving.pipeline.context import COLD_START, LAST_RESORT, Candidates, RecommendationContext
from recommendations.serving.pipeline.reasons import RELATED_PLACEMENTS, ItemReason
from recommendations.serving.state.reason_support import CauseSupport

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
    grades = support.grade_causes(causes, row_array)
    is_popular = support.are_popular(row_array).tolist()
    language = get_language()
    by_cause: dict[tuple[int, int, CauseSupport, int], ItemReason] = {}
    by_row = {}
    # the reason of a score that no product of the history explains depends only on the popularity of the row
    columns = zip(rows, *(column.tolist() for column in causes[:3]), grades, is_popular, strict=True)
    for row, item, source, share, grade, popular in columns:
        if grade.is_general and share >= MIN_WHOLE_SHARE:
            # no other product explains it, so this one does
            grade = grade._replace(is_general=False)
        if item == row or (is_related and item >= 0 and grade.level == SupportLevel.NONE):
            own = row
        else:
            own = int(popular) - 3 if item < 0 or grade.is_general else -1
        key = (item, source, grade, own)
        reason = by_cause.get(key)
        if reason is None:
            reason = by_cause[key] = reasons.choose_reason(
                row=row,
                cause=MainCause(item, causes.names[source], share),
                grade=grade,
                history=history,
                products=context.state.products,
                placement=candidates.placement,
                support=support,
                language=language,
            )
        by_row[row] = reason
    return by_row


def _explain_arrival(
    context: RecommendationContext, candidates: Candidates, rows: Sequence[int]
) -> list[list[Contribution]]:
    model = context.state.model
    assert model is not None
    assert model.cold_start is not None
    assert candidates.arrival is not None
    return model.cold_start.model.explain_many(candidates.arrival, rows)
