"""Rank a given list of products in the visitor's order of preference."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from config.foundation.array_types import AnyFloats, AnyInts, Flags, Rows
from customers.events.recent.interactions import RecentActivity
from recommendations.engine.online.ensemble_scorer import DeadlineExceededError, ScoredHistory
from recommendations.engine.placements import FOR_YOU
from recommendations.merchandising.rules.ranking import apply_factors
from recommendations.serving.experiments.assigning import ChosenVariants, choose_variants
from recommendations.serving.expressions.boost_factors import list_item_boosts, multiply_by_boosts
from recommendations.serving.expressions.expression import Boost, Expression, bind_expression
from recommendations.serving.expressions.parsing import find_internal_attributes
from recommendations.serving.pipeline.candidates import LATE, NO_MODEL, NOTHING_KNOWN, SWITCHED_OFF
from recommendations.serving.pipeline.context import (
    Candidates,
    RecommendationContext,
    make_deadline,
)
from recommendations.serving.pipeline.explain import explain
from recommendations.serving.pipeline.scoring import score_visitor
from recommendations.serving.pipeline.visitor import identify_visitor, read_activity
from recommendations.serving.pipeline.workspaces import WorkspacePool
from recommendations.serving.rank_kernels import DISMISSED, FILTERED, KEPT, UNAVAILABLE, score_ranked
from recommendations.serving.request import (
    InvalidRequestError,
    RecommendationRequest,
    list_identifiers,
    make_recommendation_id,
)
from recommendations.serving.response import ItemColumns, RecommendationResponse
from recommendations.serving.state.compiled_rules import Factors
from recommendations.serving.state.loader import ServingState, StateLoader, loader
from recommendations.serving.state.product_index import ProductFilters

RANK = "rank"
MAX_RANKED_PRODUCTS = 1000
ORIGINAL_ORDER = "as-given"  # the strategy when nothing is known about the visitor; sent over REST
# why a product is left out; sent over REST
NOT_SHOWN = "not_shown"
LEFT_OUT_REASONS = {DISMISSED: "dismissed", UNAVAILABLE: "out_of_stock", FILTERED: "filter"}
NO_SCORES, NO_FLAGS = np.empty(0, np.float32), np.empty(0, np.bool_)


@dataclass(frozen=True)
class RankRequest:
    """A list of at most MAX_RANKED_PRODUCTS in the shop's own order, which breaks ties. filter, boost: see `expressions`."""

    product_ids: Sequence[str]
    user_id: str = ""
    anonymous_id: str = ""
    in_stock: bool = True
    explain: bool = True
    filter: Expression | None = None
    boost: tuple[Boost, ...] = ()
    personalised: bool = True
    is_browser: bool = False
    is_unverified: bool = False
    is_agent: bool = False

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        """The identifiers that name the visitor, as (kind, value); none for an order that is the same for everyone."""
        return list_identifiers(self.user_id, self.anonymous_id) if self.personalised else []

    def to_recommendation_request(self) -> RecommendationRequest:
        """Return the for-you request of the same visitor, whose scores order the list."""
        return RecommendationRequest(
            FOR_YOU, user_id=self.user_id, anonymous_id=self.anonymous_id, personalised=self.personalised
        )


def rank_products(
    *,
    request: RankRequest,
    now: datetime,
    source: StateLoader = loader,
    activity: RecentActivity | None = None,
    is_assigned: bool = False,
) -> RecommendationResponse:
    """Return the products in the order in which the visitor would choose them.

    Ties and products without a score keep the given order, and so does the whole list if nothing is known about the
    visitor; of two tied products, the one with the larger boost comes first. Products that are not shown, sold out, dismissed or
    outside the filter are left out and listed with the reason. A product that the catalog does not know stays, at the end,
    unless there is a filter. is_assigned: whether a running holdout decides too, as for visitors of the shop.

    Errors: InvalidRequestError.
    """
    started = time.perf_counter()
    _check_request(request)
    chosen = _choose_variants(request, source.get_state(now=now), activity, is_assigned=is_assigned)
    state = chosen.state
    product_ids = list(dict.fromkeys(request.product_ids))
    rows, are_catalog_ids = _find_rows(state, product_ids)
    with WorkspacePool(state) as workspaces:
        context = _build_rank_context(request, state, workspaces, now=now, depth=len(rows), activity=activity)
        scored, problem = (None, SWITCHED_OFF) if chosen.is_held_out else _score_visitor(context)
        causes, kept, values = score_ranked(
            rows,
            context.allowed,
            np.array(context.visitor.dismissed, np.int32),  # for a read-only array, the kernel would be compiled again
            _find_matching(state, request.filter, now),
            NO_SCORES if scored is None else scored.work.total,
            NO_SCORES if scored is None else scored.ensemble.static_scores,
        )
        left_out = _list_left_out(causes, rows, product_ids, state) if len(kept) < len(rows) else []
        positions, scores = _sort_positions(rows, kept, values, context.factors, is_scored=scored is not None)
        ranked_rows = rows[positions]
        reasons = {}
        if request.explain and scored is not None:
            candidates = Candidates(RANK, ranked_rows, scores, scored, placement=FOR_YOU)
            reasons = explain(context, candidates, ranked_rows[scores > 0].tolist())
        row_list = ranked_rows.tolist()
        items = ItemColumns(
            list(map(product_ids.__getitem__, positions.tolist())),
            1,
            scores,
            state.products.cards,
            reasons,
            row_list,
            list_item_boosts(row_list, request.boost if request.explain else (), state.products, now),
            row_numbers=ranked_rows,
            are_catalog_ids=are_catalog_ids,
        )
    return RecommendationResponse(
        recommendation_id=make_recommendation_id(now),
        scenario=RANK,
        strategy=RANK if scored is not None else ORIGINAL_ORDER,
        fallback=ORIGINAL_ORDER if scored is None else None,
        fallback_reason=problem,
        model_version=state.version,
        took_ms=round((time.perf_counter() - started) * 1000, 2),
        items=items,
        stale=source.is_stale,
        left_out=left_out,
        state=state,
        is_identifiable=not context.visitor.has_opted_out,
        assignments=chosen.assignments,
    )


def _check_request(request: RankRequest) -> None:
    """Errors: InvalidRequestError for too many products, or for a filter that a browser must not use."""
    if not 1 <= len(request.product_ids) <= MAX_RANKED_PRODUCTS:
        message = _("product_ids has %(count)d products; valid: 1 to %(max)d.")
        raise InvalidRequestError(
            {"product_ids": message % {"count": len(request.product_ids), "max": MAX_RANKED_PRODUCTS}}
        )
    if request.is_browser and (errors := find_internal_attributes(request.filter, request.boost)):
        raise InvalidRequestError(errors)


def _choose_variants(
    request: RankRequest, state: ServingState, activity: RecentActivity | None, *, is_assigned: bool
) -> ChosenVariants:
    """Return the variant of a running holdout, if there is one."""
    if not is_assigned or not state.variants.running:
        return ChosenVariants(state)
    activity = read_activity(request.to_recommendation_request()) if activity is None else activity
    return choose_variants(
        state, scenario=RANK, user_id=request.user_id, anonymous_id=request.anonymous_id, activity=activity
    )


def _build_rank_context(
    request: RankRequest,
    state: ServingState,
    workspaces: WorkspacePool,
    *,
    now: datetime,
    depth: int,
    activity: RecentActivity | None,
) -> RecommendationContext:
    deadline = make_deadline()  # before the round trip to Valkey, which counts towards it
    scored_request = request.to_recommendation_request()
    activity = read_activity(scored_request) if activity is None else activity
    allowed = state.products.get_mask(ProductFilters(request.in_stock))
    return RecommendationContext(
        request=scored_request,
        state=state,
        visitor=identify_visitor(state=state, request=scored_request, activity=activity, now=now.timestamp()),
        workspaces=workspaces,
        now=now,
        depth=depth,
        allowed=allowed,
        recommendable=allowed,  # the caller chose the products
        factors=multiply_by_boosts(None, request.boost, state.products, now),
        deadline=deadline,
    )


def _score_visitor(context: RecommendationContext) -> tuple[ScoredHistory | None, str | None]:
    """Return the visitor's scores, or why there are none."""
    if context.state.model is None:
        return None, NO_MODEL
    try:
        scored = score_visitor(context)
    except DeadlineExceededError:
        return None, LATE
    return scored, None if scored is not None else NOTHING_KNOWN


def _find_rows(state: ServingState, product_ids: Sequence[str]) -> tuple[Rows, bool]:
    """Return the rows of products, and whether all are known by these IDs; otherwise some are named by their SKU or unknown."""
    rows = list(map(state.products.row_by_id.get, product_ids))
    return (state.products.find_rows(product_ids), False) if None in rows else (np.array(rows, np.int32), True)


def _find_matching(state: ServingState, expression: Expression | None, now: datetime) -> Flags:
    """Return which rows match the filter of the request; an empty array without one."""
    return NO_FLAGS if expression is None else state.products.get_expression_mask(bind_expression(expression, now))


def _sort_positions(
    rows: Rows, positions: AnyInts, scores: AnyFloats, factors: Factors | None, *, is_scored: bool
) -> tuple[AnyInts, AnyFloats]:
    """Return the positions in the list, best first, and their scores; ties keep the given order, and unknown products come last."""
    kept_rows = rows[positions]
    if factors is None and (not is_scored or len(kept_rows) == 0 or kept_rows.min() >= 0):
        order = (-scores).argsort(kind="stable")
        return positions[order], scores[order]
    is_known = kept_rows >= 0
    boosts = np.ones(len(positions), np.float32)
    if factors is not None:
        boosts[is_known] = factors[kept_rows[is_known]]
        scores = apply_factors(scores=scores, factors=boosts)
    # the last key sorts first: by score, then unknown products last, then by boost; stable, so that ties keep the given order
    order = np.lexsort((-boosts, ~is_known & is_scored, -scores))
    return positions[order], scores[order]


def _list_left_out(
    causes: npt.NDArray[np.int8], rows: Rows, product_ids: Sequence[str], state: ServingState
) -> list[tuple[str, str]]:
    """Return the products that must not be shown, each with the reason."""
    shown = state.products.shown
    return [
        (product_ids[position], NOT_SHOWN if cause == UNAVAILABLE and not shown[row] else LEFT_OUT_REASONS[cause])
        for position, (cause, row) in enumerate(zip(causes.tolist(), rows.tolist(), strict=True))
        if cause != KEPT
    ]
