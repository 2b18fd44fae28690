"""Step 2 of a recommendation: find the candidates of a placement."""

from collections.abc import Callable
from functools import partial

import numpy as np

from config.foundation.array_types import Flags, Rows
from recommendations.engine.algorithms.repeat.due_purchases import find_due_purchases
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.ensemble_scorer import DeadlineExceededError, ScoredHistory
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    FOR_YOU,
    NEW,
    PLACEMENTS,
    POPULAR,
    RECENTLY_VIEWED,
    SIMILAR,
    TRENDING,
    PlacementInput,
)
from recommendations.engine.topn import select_top_n
from recommendations.merchandising.rules.ranking import apply_factors
from recommendations.serving.pipeline.context import COLD_START, Candidates, RecommendationContext
from recommendations.serving.pipeline.scoring import score_by_rank, score_visitor
from recommendations.serving.pipeline.variety.selection import select_candidates, select_distinct, use_own_variants
from recommendations.serving.pipeline.visitor import describe_arrival
from recommendations.serving.state.compiled_rules import Factors
from recommendations.serving.state.model import NO_ROWS

# why a placement has no candidates; sent over REST as fallback_reason
NO_MODEL, LATE, SWITCHED_OFF, NOTHING_KNOWN, NONE_LEFT = "no_model", "late", "off", "nothing_known", "none_left"
IMPERSONAL_PLACEMENTS = (POPULAR, TRENDING, NEW)  # need no knowledge about the visitor, and no products of the request
PLACEMENTS_WITHOUT_MODEL = (NEW, RECENTLY_VIEWED)
PERSONALIZED_DEPTH = 100  # candidates of a related placement that are reordered for the visitor
NO_SCORES = np.empty(0, np.float32)

type CandidateSource = Callable[[RecommendationContext], Candidates | None]


def find_candidates(context: RecommendationContext, placement: str) -> Candidates:
    """Return the candidates of a placement, best first; without any, `problem` is the reason.

    After a missed deadline, the context no longer has a deadline: the fallback must respond in any case.
    """
    state = context.state
    if state.model is None and placement not in PLACEMENTS_WITHOUT_MODEL:
        return _make_empty(placement, NO_MODEL)
    if state.blends is not None and placement in state.blends.switched_off:
        return _make_empty(placement, SWITCHED_OFF)
    try:
        candidates = _SOURCES[placement](context)
    except DeadlineExceededError:
        context.deadline = None
        return _make_empty(placement, LATE)
    if candidates is None:
        return _make_empty(placement, NOTHING_KNOWN)
    if not len(candidates.rows):
        return _make_empty(placement, _explain_empty(context, placement))
    candidates.placement = placement
    return _use_own_variants(context, candidates)


def _use_own_variants(context: RecommendationContext, candidates: Candidates) -> Candidates:
    """Show the product of a group that the visitor bought or viewed instead of another one."""
    placement = candidates.placement
    if candidates.scored is None or context.groups is None or placement == BUY_AGAIN:
        return candidates
    start_rows = context.get_start_rows() if PLACEMENTS[placement].start == PlacementInput.PRODUCTS else NO_ROWS
    excluded = context.get_excluded_rows(placement, start_rows)
    candidates.rows = use_own_variants(context, candidates.rows, candidates.scored, excluded=excluded)
    return candidates


def _make_empty(placement: str, problem: str) -> Candidates:
    return Candidates(placement, NO_ROWS, NO_SCORES, placement=placement, problem=problem)


def _explain_empty(context: RecommendationContext, placement: str) -> str:
    """Return why a placement with data found no product: none is left, or nothing known leads to those that are left."""
    if placement in IMPERSONAL_PLACEMENTS:
        return NONE_LEFT
    if placement in (BUY_AGAIN, RECENTLY_VIEWED):  # show only the visitor's own products
        return NOTHING_KNOWN
    excluded = context.get_excluded_rows(placement, context.get_start_rows())
    left = context.recommendable.copy()  # masks are shared with other requests
    left[excluded[excluded >= 0]] = False
    return NOTHING_KNOWN if left.any() else NONE_LEFT


def _find_for_you(context: RecommendationContext) -> Candidates | None:
    """Score by the visitor's history; without one, by what else is known about them."""
    scored = score_visitor(context)
    if scored is None:
        return _find_by_traits(context)
    excluded = context.get_excluded_rows(FOR_YOU)
    rows, scores = select_candidates(
        context, scored, placement=FOR_YOU, n=context.depth, excluded=excluded, allowed=context.allowed_for_you
    )
    assert context.state.model is not None
    return Candidates(context.state.model.algorithm, rows, scores, scored)


def _find_by_traits(context: RecommendationContext) -> Candidates | None:
    """Score by traits and landing category of a visitor without a history.

    Scores are logarithms of probabilities.
    """
    state = context.state
    arrival = describe_arrival(state=state, request=context.request, names=context.visitor.names)
    if arrival is None or state.model is None or state.model.cold_start is None:
        return None
    n = len(state.model.items)
    allowed = context.recommendable[:n].copy()  # masks are shared with other requests
    excluded = context.get_excluded_rows(FOR_YOU)
    allowed[excluded[(excluded >= 0) & (excluded < n)]] = False
    scores = np.asarray(state.model.cold_start.model.score(arrival), np.float32)
    scores = apply_factors(scores=scores, factors=None if context.factors is None else context.factors[:n])

    def fetch(size: int) -> tuple[Rows, Factors]:
        ranking = select_top_n(scores, size, allowed=allowed)
        is_filled = ranking.items[0] >= 0
        return ranking.items[0][is_filled], ranking.scores[0][is_filled]

    return Candidates(COLD_START, *select_distinct(context, fetch, context.depth), arrival=arrival)


def _find_related(context: RecommendationContext, *, placement: str) -> Candidates | None:
    """Score products related to those of the request, then reorder them by the visitor's taste."""
    blend, model = context.get_blend(placement), context.state.model
    start_rows = context.get_start_rows()
    if blend is None or model is None:
        return None
    known = start_rows[start_rows < len(model.items)]
    if not len(known):
        return None
    scored = blend.score(model.build_product_history(known), context.workspaces.take(), due=context.deadline)
    # the same for all pages, which are cut from one order
    n = max(PERSONALIZED_DEPTH, context.depth)
    excluded = context.get_excluded_rows(placement, start_rows)
    allowed = _select_related(context, known) if placement in (BOUGHT_TOGETHER, CART) else context.recommendable
    rows, scores = select_candidates(context, scored, placement=placement, n=n, excluded=excluded, allowed=allowed)
    if placement == SIMILAR:
        # A few customers who bought both juice and hair color do not make these products similar.
        is_similar = context.state.reason_support.are_similar(rows, known)
        rows, scores = rows[is_similar], scores[is_similar]
    candidates = Candidates(placement, rows, scores, scored)
    return _personalize(context, candidates, share=context.get_config(placement).personal_share)


def _select_related(context: RecommendationContext, start_rows: Rows) -> Flags:
    """Return the recommendable rows that at least two people chose together with any of the start products.

    A model without purchases counts no such people, and a model of an earlier release does not store them: then all rows stay.
    """
    support = context.state.reason_support
    if not support.has_pairs:
        return context.recommendable
    partners = support.select_partners(start_rows, len(context.recommendable))
    return context.recommendable & partners


def _personalize(context: RecommendationContext, candidates: Candidates, *, share: float) -> Candidates:
    """Reorder by factor · ((1 − share) · score / max score + share · personal score / max personal score).

    The scores are those without the factor of rules, margin and stock, which applies to both parts.
    """
    if not share or len(candidates.rows) < 2 or not context.visitor.has_history:
        return candidates
    scored = score_visitor(context)
    if scored is None:
        return candidates
    personal = scored.get_scores(candidates.rows[:PERSONALIZED_DEPTH])
    largest = float(personal.max())
    if largest <= 0:
        return candidates
    factors = None if context.factors is None else context.factors[candidates.rows]
    scores = candidates.scores if factors is None else candidates.scores / factors
    scores = (1.0 - share) * scores / scores.max()
    scores[:PERSONALIZED_DEPTH] += share * personal / largest
    if factors is not None:
        scores *= factors
    candidates.scores = scores.astype(np.float32)
    candidates.reorder(np.argsort(-scores[:PERSONALIZED_DEPTH], kind="stable"), PERSONALIZED_DEPTH)
    return candidates


def _find_buy_again(context: RecommendationContext) -> Candidates | None:
    """Score the visitor's own purchases, but not those that can hardly be due again yet."""
    blend, history, model = context.get_blend(BUY_AGAIN), context.visitor.history, context.state.model
    if blend is None or model is None or history is None or not len(context.visitor.get_purchased_rows()):
        return None
    purchases = find_due_purchases(history, model.product_rhythms)
    rows = purchases.item[purchases.may_be_due].astype(np.int32)
    scored = blend.score(history, context.workspaces.take(), due=context.deadline)
    excluded = np.concatenate([context.excluded, context.visitor.dismissed])
    rows = rows[context.allowed[rows] & ~are_members(rows, excluded)]
    scores = scored.get_scores(rows)
    if context.factors is not None:
        scores = scores * context.factors[rows]
    order = np.argsort(-scores, kind="stable")[: context.depth]
    order = order[scores[order] > 0]
    due = frozenset(purchases.item[purchases.is_due].tolist())
    return Candidates(BUY_AGAIN, rows[order], scores[order], scored, due=due)


def _find_static(context: RecommendationContext, *, placement: str) -> Candidates | None:
    """Score products in the same way for all visitors, but leave out what this visitor dismissed or bought."""
    scored = _score_static(context, placement)
    if scored is None:
        return None
    # As the fallback of a cart or a product page, it shows none of the products of the request.
    excluded = context.get_excluded_rows(placement, context.get_start_rows())
    rows, scores = select_candidates(context, scored, placement=placement, n=context.depth, excluded=excluded)
    return Candidates(placement, rows, scores, scored)


def find_popular_rows(context: RecommendationContext, n: int, *, excluded: Rows) -> Rows:
    """Return the n best popular products that are not excluded and that popular may show this visitor, one of each group."""
    blends = context.state.blends
    if context.state.model is None or (blends is not None and POPULAR in blends.switched_off):
        return NO_ROWS
    scored = _score_static(context, POPULAR)
    if scored is None:
        return NO_ROWS
    excluded = np.concatenate([excluded, context.get_excluded_rows(POPULAR)])
    select_top = partial(scored.select_top, allowed=context.recommendable, excluded=excluded, factors=context.factors)
    return select_distinct(context, select_top, n)[0]


def _score_static(context: RecommendationContext, placement: str) -> ScoredHistory | None:
    """Return the scores of a placement that are the same for all visitors; None if the model has none for it."""
    blend = context.get_blend(placement)
    return None if blend is None else blend.score(context.make_empty_history(), context.workspaces.take())


def _find_new(context: RecommendationContext) -> Candidates | None:
    """Return the products published last."""
    rows = context.state.products.get_newest_rows()
    excluded = context.get_excluded_rows(NEW)
    rows = rows[context.allowed[rows]]
    rows = rows[~are_members(rows, excluded)] if len(excluded) else rows
    rows, _scores = select_distinct(context, lambda size: (rows[:size], score_by_rank(len(rows[:size]))), context.depth)
    return Candidates(NEW, rows, score_by_rank(len(rows)))


def _find_recently_viewed(context: RecommendationContext) -> Candidates | None:
    """Return what the visitor viewed last, including products that the model does not know yet."""
    products, history = context.state.products, context.visitor.history
    kinds = ("view", "cart", "wishlist")
    rows = [
        products.find_row(interaction.product_id) for interaction in context.visitor.recent if interaction.kind in kinds
    ]
    if history is not None:  # oldest first, so reversed
        rows += history.item[np.isin(history.kind, [0, 1, 2, 3])][::-1].tolist()
    excluded = set(np.concatenate([context.excluded, context.visitor.dismissed]).tolist())
    allowed = [row for row in dict.fromkeys(rows) if row >= 0 and context.allowed[row] and row not in excluded]
    first = np.array(allowed[: context.depth], np.int32)
    return Candidates(RECENTLY_VIEWED, first, score_by_rank(len(first)))


_SOURCES: dict[str, CandidateSource] = {
    FOR_YOU: _find_for_you,
    SIMILAR: partial(_find_related, placement=SIMILAR),
    BOUGHT_TOGETHER: partial(_find_related, placement=BOUGHT_TOGETHER),
    CART: partial(_find_related, placement=CART),
    BUY_AGAIN: _find_buy_again,
    TRENDING: partial(_find_static, placement=TRENDING),
    POPULAR: partial(_find_static, placement=POPULAR),
    NEW: _find_new,
    RECENTLY_VIEWED: _find_recently_viewed,
    CATEGORIES: _find_for_you,
}
