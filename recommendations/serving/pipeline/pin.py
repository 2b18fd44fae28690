"""Step 6 of a recommendation: put pinned products into their positions and cut out the page."""

from collections.abc import Sequence

from recommendations.merchandising.rules.ranking import RankedPage, apply_to_ranking
from recommendations.serving.pipeline.context import RecommendationContext


def pin_products(context: RecommendationContext, ranked: Sequence[tuple[int, float]]) -> RankedPage:
    """Return the requested page.

    A pinned product that this visitor or request must not see is left out.
    """
    pins = context.rule_effects.pins if context.rule_effects is not None else ()
    excluded: frozenset[int] = frozenset()
    if pins:
        excluded = frozenset(context.get_excluded_rows(context.request.scenario, context.get_start_rows()).tolist())
    return apply_to_ranking(
        rows=[row for row, _score in ranked],
        scores=[score for _row, score in ranked],
        pins=pins,
        allowed=context.allowed if pins else None,
        excluded=excluded,
        n=context.request.n,
        offset=context.offset,
    )
