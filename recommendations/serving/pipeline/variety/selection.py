"""Select the best candidates: one product of each group, and products that the visitor has not bought before."""

from collections.abc import Callable
from functools import partial

from config.foundation.array_types import Flags, Rows
from recommendations.engine.online.ensemble_scorer import ScoredHistory
from recommendations.engine.variety.kernels import replace_by_own
from recommendations.serving.pipeline.context import RecommendationContext
from recommendations.serving.state.compiled_rules import Factors
from recommendations.serving.state.model import PURCHASE

type Fetch = Callable[
    [int], tuple[Rows, Factors]
]  # returns the n best rows and their scores, fewer if there are no more


def select_candidates(
    context: RecommendationContext,
    scored: ScoredHistory,
    *,
    placement: str,
    n: int,
    excluded: Rows,
    allowed: Flags | None = None,
) -> tuple[Rows, Factors]:
    """Return the n best rows of a placement and their scores, in the order of the list.

    If the placement limits the share of purchased products, these are selected separately, so that there are enough others. allowed:
    the only rows, by default all recommendable ones.
    """
    if allowed is None:
        allowed = context.recommendable
    share, purchased = context.get_config(placement).get_max_purchased_share(), context.purchased_rows
    if share >= 1 or not len(purchased):
        select_top = partial(scored.select_top, allowed=allowed, excluded=excluded, factors=context.factors)
        return select_distinct(context, select_top, n)
    groups = context.groups
    return scored.select_limited(
        n,
        allowed=allowed,
        excluded=excluded,
        factors=context.factors,
        purchased=purchased,
        share=share,
        codes=None if groups is None else groups.codes,
    )


def select_distinct(context: RecommendationContext, fetch: Fetch, n: int) -> tuple[Rows, Factors]:
    """Return the n best rows of different product groups: the best of each group."""
    groups = context.groups
    if groups is None:
        return fetch(n)
    size = 2 * n
    while True:
        rows, scores = fetch(size)
        first = groups.find_first(rows)
        if first is None or len(first) >= n or len(rows) < size:
            positions = slice(n) if first is None else first[:n]
            return rows[positions], scores[positions]
        size *= 2


def use_own_variants(context: RecommendationContext, rows: Rows, scored: ScoredHistory, *, excluded: Rows) -> Rows:
    """Return the rows, each replaced by the product of its group that the visitor bought, or else viewed, if it may be shown.

    If there are several, take the one with the best score.
    """
    groups, history = context.groups, context.visitor.history
    if groups is None or history is None or not len(history.item) or not len(rows):
        return rows
    return replace_by_own(
        rows, groups.codes, groups.is_grouped, history.item, history.kind == PURCHASE, context.allowed, excluded,
        scored.work.total, scored.ensemble.static_scores,
    )  # fmt: skip
