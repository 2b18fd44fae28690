"""Run a search with the visitor's scores and the merchandising rules of the shop."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from customers.events.recent.interactions import RecentActivity, read_recent_activity
from recommendations.experiments.assignment import RunningExperiment, VariantAssignment
from recommendations.serving.experiments.assigning import choose_variants
from recommendations.serving.experiments.names import SEARCH_ORDER
from recommendations.serving.expressions.attributes import CATALOG_PREFIX, is_public
from recommendations.serving.expressions.parsing import describe_internal_attributes, find_internal_attributes
from recommendations.serving.pipeline.ordering import make_seed
from recommendations.serving.search.cursor import compute_search_digest
from recommendations.serving.search.order.interleaving import SecondOrder
from recommendations.serving.search.order.weights import vary_order
from recommendations.serving.search.personalization import get_personal_scores, get_popularity_scores
from recommendations.serving.search.request import InvalidSearchError, SearchRequest, SearchSort
from recommendations.serving.search.search import SearchPage, search
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.state.loader import ServingState

SCENARIO = "search"

type RulesFor = Callable[[SearchRequest, ServingState, datetime], SearchRules | None]


def apply_shop_rules(request: SearchRequest, state: ServingState, now: datetime) -> SearchRules | None:
    """Return the merchandising rules of this search.

    Suppressed customers are not looked up in segments.
    """
    names = request.identifier_names
    if state.suppressions.contains_any(names):
        names = []
    return state.rules.apply(scenario=SCENARIO, names=names, now=now)


def find_internal_parameters(request: SearchRequest) -> dict[str, str]:
    """Return an error for each parameter that compares what a browser must not learn."""
    names = [f"{CATALOG_PREFIX}{name}" for name in request.attributes if not is_public(name)]
    return {
        **find_internal_attributes(request.filter, request.boost),
        **{name: describe_internal_attributes([name]) for name in names},
    }


def run_search(
    request: SearchRequest,
    *,
    now: datetime,
    source: Searcher = searcher,
    activity: RecentActivity | None = None,
    rules: RulesFor = apply_shop_rules,
    is_assigned: bool = False,
) -> SearchPage:
    """Return the page of a request.

    activity: what Valkey knows about the visitor, if the caller has read it already. rules: used instead of the shop's. is_assigned: whether
    running experiments decide too, as for visitors of the shop.

    Raises:
        InvalidSearchError: the cursor does not belong to this search, or the filter is not for browsers.
        SearchNotReadyError: this process is still reading the products.
    """
    if request.is_browser and (errors := find_internal_parameters(request)):
        raise InvalidSearchError(errors)
    snapshot = source.get_snapshot(now=now)
    started = time.perf_counter()
    assignments: tuple[VariantAssignment, ...] = ()
    interleaved: RunningExperiment | None = None
    if is_assigned and snapshot.state.variants.running and request.identifiers:
        activity = read_recent_activity(identifiers=request.identifiers) if activity is None else activity
        snapshot, request, assignments, interleaved = apply_variants(snapshot, request, activity)
    scored_request = request if request.sort == SearchSort.RELEVANCE else replace(request, personalised=False)
    with get_personal_scores(request=scored_request, state=snapshot.state, now=now, activity=activity) as scores:
        page = search(
            request,
            snapshot=snapshot,
            personal_scores=scores,
            popularity=get_popularity_scores(snapshot.state),
            rules=rules(request, snapshot.state, now),
            now=now,
            started=started,
            second=None if interleaved is None else make_second_order(interleaved, snapshot, request),
        )
    if not assignments and not page.teams:
        return page
    return replace(page, assignments=assignments, interleaved=interleaved if page.teams else None)


def make_second_order(experiment: RunningExperiment, snapshot: SearchSnapshot, request: SearchRequest) -> SecondOrder:
    """Return the order of the variant; its coins are the same for all pages of the visitor's search."""
    variant = next(variant for variant in experiment.variants if not variant.is_control)
    seed = make_seed(experiment.salt, *request.identifier_names, compute_search_digest(request))
    return SecondOrder(vary_order(snapshot.order, variant.config), seed)


def apply_variants(
    snapshot: SearchSnapshot, request: SearchRequest, activity: RecentActivity
) -> tuple[SearchSnapshot, SearchRequest, tuple[VariantAssignment, ...], RunningExperiment | None]:
    """Return snapshot and request as the visitor's variants change them, the variants, and the experiment to interleave."""
    chosen = choose_variants(
        snapshot.state,
        scenario=SCENARIO,
        user_id=request.user_id,
        anonymous_id=request.anonymous_id,
        activity=activity,
    )
    if chosen.is_held_out:
        return snapshot, replace(request, personalised=False), chosen.assignments, None
    for assigned in chosen.assignments:
        if assigned.experiment.kind == SEARCH_ORDER and assigned.variant.config:
            snapshot = replace(snapshot, order=vary_order(snapshot.order, assigned.variant.config))
    return snapshot, request, chosen.assignments, chosen.interleaved
