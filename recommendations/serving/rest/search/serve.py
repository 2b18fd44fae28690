"""From a search request to the bytes of its response, for the REST view and the fast path."""

from datetime import datetime

from customers.events.recent.interactions import RecentActivity, read_recent_activity
from recommendations.serving.experiments.assigning import list_served_variants, name_arms
from recommendations.serving.impressions.served_entry import ServedEntry
from recommendations.serving.impressions.writer import record_impression
from recommendations.serving.request import make_recommendation_id
from recommendations.serving.rest.search.response import SearchResponseJSON, build_response, encode_response
from recommendations.serving.rest.serve import FALLBACKS, RESPONSE_SECONDS
from recommendations.serving.search.order.features import list_order_features
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import SearchPage
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.search.visitor_search import SCENARIO, RulesFor, apply_shop_rules, run_search

SEARCH_SECONDS = RESPONSE_SECONDS.labels(SCENARIO)


def serve_search(
    *,
    request: SearchRequest,
    now: datetime,
    activity: RecentActivity | None = None,
    source: Searcher = searcher,
    rules: RulesFor = apply_shop_rules,
) -> bytes:
    """Return the JSON of a search response, in the active language, and record it.

    Raises as `run_search`.
    """
    if activity is None and request.identifiers:
        activity = read_recent_activity(identifiers=request.identifiers)
    page = run_search(request, now=now, source=source, activity=activity, rules=rules, is_assigned=True)
    SEARCH_SECONDS.observe(page.took_ms / 1000)
    if page.fallback is not None:
        FALLBACKS.labels(SCENARIO, "nothing_found").inc()
    response = build_response(page, recommendation_id=make_recommendation_id(now))
    _record_page(page, response, has_opted_out=activity is not None and activity.is_denied, now=now)
    return encode_response(response)


def _record_page(page: SearchPage, response: SearchResponseJSON, *, has_opted_out: bool, now: datetime) -> None:
    """Record the page as an impression.

    It has no identifiers if the visitor refused personalization. Pages for automated visitors are not recorded, because nobody sees them.
    """
    if page.request.is_agent or (not page.hits and not page.assignments):
        return
    request, ids = page.request, page.snapshot.catalog.product_ids
    is_identifiable = not has_opted_out and not page.snapshot.state.suppressions.contains_any(request.identifier_names)
    record_impression(
        ServedEntry(
            recommendation_id=response.recommendation_id,
            scenario=SCENARIO,
            user_id=request.user_id if is_identifiable else "",
            anonymous_id=request.anonymous_id if is_identifiable else "",
            model_version=response.model_version,
            strategy=SCENARIO,
            arm=name_arms(page.assignments, page.interleaved),
            fallback=page.fallback,
            served_at=now,
            first_rank=page.hits[0].rank if page.hits else 1,
            product_ids=[ids[hit.row] for hit in page.hits],
            order_features=list_order_features(page),
            variants=list_served_variants(page.assignments),
            teams=list(page.teams) or None,
        )
    )
