"""Run a search with the visitor's scores and the merchandising rules of the shop."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from customers.events.recent.interactions import RecentActivity
from recommendations.serving.expressions.attributes import CATALOG_PREFIX, is_public
from recommendations.serving.expressions.parsing import describe_internal_attributes, find_internal_attributes
from recommendations.serving.search.personalization import get_personal_scores, get_popularity_scores
from recommendations.serving.search.request import InvalidSearchError, SearchRequest, SearchSort
from recommendations.serving.search.search import SearchPage, search
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.searcher import Searcher, searcher
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
) -> SearchPage:
    """Return the page of a request.

    activity: what Valkey knows about the visitor, if the caller has read it already. rules: used instead of the shop's.

    Raises:
        InvalidSearchError: the cursor does not belong to this search, or the filter is not for browsers.
        SearchNotReadyError: this process is still reading the products.
    """
    if request.is_browser and (errors := find_internal_parameters(request)):
        raise InvalidSearchError(errors)
    snapshot = source.get_snapshot(now=now)
    started = time.perf_counter()
    scored_request = request if request.sort == SearchSort.RELEVANCE else replace(request, personalised=False)
    with get_personal_scores(request=scored_request, state=snapshot.state, now=now, activity=activity) as scores:
        return search(
            request,
            snapshot=snapshot,
            personal_scores=scores,
            popularity=get_popularity_scores(snapshot.state),
            rules=rules(request, snapshot.state, now),
            now=now,
            started=started,
        )
