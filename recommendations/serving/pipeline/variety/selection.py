"""Select the best candidates: one product of each group, and products that the visitor has not bought before."""

from collections.abc import Callable
from functools import partial

import numpy as np

from config.foundation.array_types import Flags, Rows
from recommendations.engine.online.ensemble_scorer import ScoredHistory
from recommendations.engine.variety.kernels import replace_by_own
from recommendations.engine.variety.purchased_share import limit_purchased_share
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

    If the placement limits the share of purchased products, these are selected apart, so that there are enough others. allowed:
    the only rows, by default all recommendable ones.
    """
    if allowed is None:
        allowed = context.recommendable
    select_top = partial(scored.select_top, allowed=allowed, factors=context.factors)
    share, purchased = context.get_config(placement).get_max_purchased_share(), context.purchased_rows
    if share >= 1 or not len(purchased):
        return select_distinct(context, partial(select_top, excluded=excluded), n)
    others = select_distinct(context, partial(select_top, excluded=np.concatenate([excluded, purchased])), n)
    select_own = partial(scored.select_among, purchased, allowed=allowed, excluded=excluded, factors=context.factors)
    own = select_distinct(context, select_own, n)
    if not len(own[0]):
        return others
    rows, scores = np.concatenate([others[0], own[0]]), np.concatenate([others[1], own[1]])
    best_first = np.lexsort((rows, -scores))
    is_purchased = best_first >= len(others[0])
    order = best_first[limit_purchased_share(is_purchased.tolist(), share)[:n]]
    return rows[order], scores[order]


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

    Of several, the one with the best score.
    """
    groups, history = context.groups, context.visitor.history
    if groups is None or history is None or not len(history.item) or not len(rows):
        return rows
    return replace_by_own(
        rows, groups.codes, groups.is_grouped, history.item, history.kind == PURCHASE, context.allowed, excluded,
        scored.work.total, scored.ensemble.static_scores,
    )  # fmt: skip
