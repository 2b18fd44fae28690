"""Select the best candidates: one product of each group, and products that the visitor has not bought before."""

from collections.abc import Callable
from functools import partial

import numpy as np

from config.foundation.array_types import Flags, Rows
from recommendations.engine.online.ensemble_scorer import ScoredHistory
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
    own = select_distinct(context, partial(_select_from, context, scored, purchased[allowed[purchased]], excluded), n)
    rows, scores = (np.concatenate(parts) for parts in zip(others, own, strict=True))
    best_first = np.lexsort((rows, -scores))
    is_purchased = best_first >= len(others[0])
    order = best_first[limit_purchased_share(is_purchased.tolist(), share)][:n]
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


def find_own_variants(
    context: RecommendationContext, rows: Rows, scored: ScoredHistory, *, excluded: Rows
) -> dict[int, int]:
    """Return row → the product of its group that the visitor bought, or else viewed, if that is another one which may be shown.

    Of several, the one with the best score.
    """
    groups, history = context.groups, context.visitor.history
    if groups is None or history is None or not len(history.item) or not len(rows):
        return {}
    codes = groups.codes[rows]
    is_wanted = np.zeros(len(groups.codes), np.bool_)
    is_wanted[codes[groups.is_grouped[rows]]] = True
    is_own = is_wanted[groups.codes[history.item]]
    own = np.unique(history.item[is_own])
    own = own[context.allowed[own] & ~np.isin(own, excluded)]
    scores = scored.get_scores(own)
    is_bought = np.isin(own, history.item[is_own & (history.kind == PURCHASE)])
    last_wins = np.lexsort((-own, scores, is_bought))
    last_wins = last_wins[scores[last_wins] > 0]
    own_by_code = dict(zip(groups.codes[own[last_wins]].tolist(), own[last_wins].tolist(), strict=True))
    pairs = zip(rows.tolist(), codes.tolist(), strict=True)
    return {row: own_by_code[code] for row, code in pairs if own_by_code.get(code, row) != row}


def _select_from(
    context: RecommendationContext, scored: ScoredHistory, rows: Rows, excluded: Rows, n: int
) -> tuple[Rows, Factors]:
    """Return the n best of some rows that have a score."""
    if len(excluded):
        rows = rows[~np.isin(rows, excluded)]
    scores = scored.get_scores(rows)
    if context.factors is not None:
        scores = scores * context.factors[rows]
    order = np.lexsort((rows, -scores))[:n]
    order = order[scores[order] > 0]
    return rows[order].astype(np.int32), scores[order].astype(np.float32)
