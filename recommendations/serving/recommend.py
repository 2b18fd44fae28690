"""Recommend products for a placement: the pipeline from a request to a response."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from customers.events.recent.interactions import RecentActivity
from recommendations.engine.placements import CATEGORIES
from recommendations.merchandising.rules.ranking import RankedPage
from recommendations.merchandising.rules.rule_book import RuleBook
from recommendations.serving.experiments.assigning import ChosenVariants, choose_variants
from recommendations.serving.experiments.interleaving import InterleavedRanking, VariantRanking, interleave_variants
from recommendations.serving.expressions.boost_factors import list_item_boosts
from recommendations.serving.pipeline.categories import rank_categories
from recommendations.serving.pipeline.context import build_context
from recommendations.serving.pipeline.explain import explain
from recommendations.serving.pipeline.explore import explore
from recommendations.serving.pipeline.fallback import describe_empty_list
from recommendations.serving.pipeline.pin import pin_products
from recommendations.serving.pipeline.propensities import Propensities, list_propensities
from recommendations.serving.pipeline.rerank import rank_candidates
from recommendations.serving.pipeline.visitor import read_activity
from recommendations.serving.pipeline.workspaces import WorkspacePool
from recommendations.serving.request import (
    RecommendationRequest,
    make_recommendation_id,
    validate_request,
    write_cursor,
)
from recommendations.serving.response import ItemColumns, RecommendationResponse, RecommendedItem
from recommendations.serving.state.loader import StateLoader, loader


def recommend(
    *,
    request: RecommendationRequest,
    now: datetime,
    source: StateLoader = loader,
    activity: RecentActivity | None = None,
    rules: RuleBook | None = None,
    has_deadline: bool = True,
    is_assigned: bool = False,
) -> RecommendationResponse:
    """Return the products of a placement, best first, each with the reason why it is shown.

    A placement that has no products, is switched off or would be late is replaced by its fallback, which the response
    names; a strict request gets an empty list instead, and so does one whose filters no product meets, with the reason. Once
    the state is loaded this makes no database query.

    activity: what Valkey knows about the visitor, if the caller has read it already. rules: used instead of the shop's own;
    an empty book means no rules. has_deadline: False for pages of the back office, which show what a server without load would
    answer. is_assigned: whether running experiments decide too, as for visitors of the shop.

    Errors: InvalidRequestError for a contradictory request; DatabaseError if nothing is loaded yet and the database is down.
    """
    started = time.perf_counter()
    validate_request(request)
    chosen = ChosenVariants(source.get_state(now=now))
    if is_assigned and chosen.state.variants.running:
        activity = read_activity(request) if activity is None else activity
        names = {"user_id": request.user_id, "anonymous_id": request.anonymous_id}
        chosen = choose_variants(chosen.state, scenario=request.scenario, **names, activity=activity)
    state = chosen.state
    with WorkspacePool(state) as workspaces:
        context = build_context(
            request=request,
            state=state,
            workspaces=workspaces,
            now=now,
            activity=activity,
            rules=rules,
            has_deadline=has_deadline,
        )
        candidates = rank_candidates(context)
        page, categories = ItemPage(), None
        if request.scenario == CATEGORIES:
            categories = rank_categories(context, candidates)
        else:
            ranking = VariantRanking(context, candidates, explore(context, candidates))
            page = _make_page(ranking, interleave_variants(chosen.interleaved, ranking, activity=activity, rules=rules))
        empty_reason = None if page.items or categories else describe_empty_list(context, candidates)
    return RecommendationResponse(
        recommendation_id=make_recommendation_id(now),
        scenario=request.scenario,
        strategy=candidates.strategy,
        fallback=candidates.fallback,
        fallback_reason=candidates.fallback_reason,
        empty_reason=empty_reason,
        model_version=state.version,
        took_ms=round((time.perf_counter() - started) * 1000, 2),
        items=page.items,
        next_cursor=write_cursor(context.offset + request.n, context.minute) if page.has_more else None,
        stale=source.is_stale,
        categories=categories,
        state=state,
        is_identifiable=not context.visitor.has_opted_out,
        assignments=chosen.assignments,
        propensities=page.propensities,
        interleaved=chosen.interleaved if page.teams else None,
        teams=page.teams,
    )


class ItemPage(NamedTuple):
    """The items of a page, and whether another page follows.

    propensities: of those chosen at random. teams: of an interleaved list, the ranking that contributed each item.
    """

    items: Sequence[RecommendedItem] = ()
    propensities: Propensities = ()
    has_more: bool = False
    teams: tuple[int, ...] = ()


def _make_page(ranking: VariantRanking, interleaved: InterleavedRanking | None) -> ItemPage:
    """Return the requested page, of the interleaved list if there is one."""
    context, candidates, explored = ranking.context, ranking.candidates, ranking.explored
    page = pin_products(context, explored.ranked if interleaved is None else interleaved.ranked)
    reasons = {}
    if context.request.explain and interleaved is not None:
        reasons = interleaved.explain(page.rows, pinned=page.pinned)
    elif context.request.explain:
        reasons = explain(context, candidates, page.rows, new=explored.new, pinned=page.pinned)
    products = context.state.products
    boosts = list_item_boosts(
        page.rows, context.request.boost if context.request.explain else (), products, context.now
    )
    cards = list(map(products.cards.__getitem__, page.rows))
    if all(cards):  # `None not in` would call the cards' own comparison
        ids = list(map(products.product_ids.__getitem__, page.rows))
        scores = np.array(page.scores, np.float64)
        columns = ItemColumns(
            ids,
            context.offset + 1,
            scores,
            products.cards,
            reasons,
            page.rows,
            boosts,
            row_numbers=np.array(page.rows, np.int32),
            are_catalog_ids=True,
        )
        return _describe_page(columns, page.rows, ranking, interleaved, page)
    items = [
        RecommendedItem(
            products.product_ids[row], context.offset + position, score, card, reasons.get(row), row, boosts.get(row)
        )
        for position, (row, score, card) in enumerate(zip(page.rows, page.scores, cards, strict=True), start=1)
        if card is not None
    ]
    return _describe_page(items, [item.row for item in items], ranking, interleaved, page)


def _describe_page(
    items: Sequence[RecommendedItem],
    shown: Sequence[int],
    ranking: VariantRanking,
    interleaved: InterleavedRanking | None,
    page: RankedPage,
) -> ItemPage:
    """Return items with what is logged about them. shown: their rows. The propensities of an interleaved list are not known."""
    if interleaved is not None:
        return ItemPage(items, (), page.has_more, interleaved.list_teams(shown, pinned=page.pinned))
    propensities = list_propensities(ranking.context, ranking.candidates, ranking.explored, page, shown)
    return ItemPage(items, propensities, page.has_more)
