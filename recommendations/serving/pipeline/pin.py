"""Step 6 of a recommendation: put pinned products into their positions and cut out the page."""

from collections.abc import Sequence

import numpy as np

from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.placements import RECENTLY_VIEWED
from recommendations.merchandising.rules.ranking import RankedPage, apply_to_ranking
from recommendations.serving.pipeline.context import RecommendationContext


def pin_products(context: RecommendationContext, ranked: Sequence[tuple[int, float]]) -> RankedPage:
    """Return the requested page.

    A pinned product that this visitor or request must not see is left out.
    """
    pins = context.rule_effects.pins if context.rule_effects is not None else ()
    if context.request.scenario == RECENTLY_VIEWED and not ranked:
        pins = ()  # a visitor who has viewed nothing does not see this placement, and another placement on the page may show the product
    n, offset = context.request.n, context.offset
    if not pins:
        page = ranked[offset : offset + n]
        rows, scores = [row for row, _score in page], [score for _row, score in page]
        return RankedPage(rows, scores, has_more=len(ranked) > offset + n)
    hidden = context.get_excluded_rows(context.request.scenario, context.get_start_rows())
    pinned = np.array([row for _position, row in pins], np.int32)
    excluded = frozenset(pinned[are_members(pinned, hidden)].tolist())
    ranked = _leave_out_variants(context, ranked, [row for _position, row in pins if row not in excluded])
    return apply_to_ranking(
        rows=[row for row, _score in ranked],
        scores=[score for _row, score in ranked],
        pins=pins,
        allowed=context.allowed,
        excluded=excluded,
        n=n,
        offset=offset,
    )


def _leave_out_variants(
    context: RecommendationContext, ranked: Sequence[tuple[int, float]], pins: Sequence[int]
) -> Sequence[tuple[int, float]]:
    """Return the ranked products without those of a group that has a pinned product."""
    groups = context.groups
    if groups is None or not ranked or not any(groups.is_grouped[row] for row in pins):
        return ranked
    rows = np.array([row for row, _score in ranked], np.int32)
    is_variant = groups.are_variants(rows, [row for row in pins if context.allowed[row]])
    return [pair for pair, is_left_out in zip(ranked, is_variant.tolist(), strict=True) if not is_left_out]
