"""From a request to the bytes of its response, for the REST views and the fast path."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from prometheus_client import Counter, Histogram

from customers.events.recent.interactions import RecentActivity
from recommendations.serving.experiments.assigning import list_served_variants, name_arms
from recommendations.serving.impressions.served_entry import ServedEntry
from recommendations.serving.impressions.writer import record_impression
from recommendations.serving.rank import RankRequest, rank_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import ItemColumns, RecommendationResponse, RecommendedItem
from recommendations.serving.rest.response import encode_response
from recommendations.serving.state.loader import StateLoader, loader
from recommendations.serving.visitor_claims import hide_purchase_counts

RESPONSE_SECONDS = Histogram(
    "perennial_recommendation_seconds",
    "Seconds from a request to its response, without HTTP.",
    ["scenario"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
FALLBACKS = Counter(
    "perennial_recommendation_fallbacks", "Responses that came from a fallback.", ["scenario", "reason"]
)


@cache
def get_response_timer(scenario: str) -> Histogram:
    """Return the histogram of a scenario; cached, because the look-up by label takes a lock."""
    return RESPONSE_SECONDS.labels(scenario)


def serve_recommendations(
    *,
    request: RecommendationRequest,
    now: datetime,
    activity: RecentActivity | None = None,
    source: StateLoader = loader,
) -> bytes:
    """Return the JSON of a recommendation response and record it. Errors: see `recommend`."""
    response = recommend(request=request, now=now, activity=activity, source=source, is_assigned=True)
    record_response(
        response,
        user_id=request.user_id,
        anonymous_id=request.anonymous_id,
        now=now,
        is_agent=request.is_agent,
    )
    return encode_for_caller(response, request)


def serve_ranking(
    *,
    request: RankRequest,
    now: datetime,
    activity: RecentActivity | None = None,
    source: StateLoader = loader,
) -> bytes:
    """Return the JSON of a ranking and record it. Errors: see `rank_products`."""
    response = rank_products(request=request, now=now, activity=activity, source=source, is_assigned=True)
    record_response(
        response,
        user_id=request.user_id,
        anonymous_id=request.anonymous_id,
        now=now,
        is_agent=request.is_agent,
    )
    return encode_for_caller(response, request)


def encode_for_caller(
    response: RecommendationResponse, request: RecommendationRequest | RankRequest, *, key: str | None = None
) -> bytes:
    """Return the JSON of a response, without what its caller must not read. key: of the placement, if there are several."""
    return encode_response(
        hide_purchase_counts(response) if request.is_browser else response,
        is_unverified=request.is_unverified,
        key=key,
    )


def record_response(
    response: RecommendationResponse, *, user_id: str, anonymous_id: str, now: datetime, is_agent: bool = False
) -> None:
    """Count the response and record an impression.

    It has no identifiers if the visitor refused personalization. An empty list counts, too, if an experiment decided about it.
    Responses to automated visitors are not recorded, because nobody sees them.
    """
    get_response_timer(response.scenario).observe(response.took_ms / 1000)
    if response.fallback is not None:
        FALLBACKS.labels(response.scenario, response.fallback_reason or "").inc()
    items = response.items
    if (items or response.assignments) and not is_agent:
        record_impression(
            ServedEntry(
                recommendation_id=response.recommendation_id,
                scenario=response.scenario,
                user_id=user_id if response.is_identifiable else "",
                anonymous_id=anonymous_id if response.is_identifiable else "",
                model_version=response.model_version,
                strategy=response.strategy,
                arm=name_arms(response.assignments, response.interleaved),
                fallback=response.fallback,
                served_at=now,
                first_rank=find_first_rank(items),
                product_ids=list_product_ids(items),
                variants=list_served_variants(response.assignments),
                propensities=list(response.propensities) or None,
                teams=list(response.teams) or None,
            )
        )


def find_first_rank(items: Sequence[RecommendedItem]) -> int:
    """Return the rank of the first item; 1 for an empty list."""
    if isinstance(items, ItemColumns):
        return items.first_rank
    return items[0].rank if items else 1


def list_product_ids(items: Sequence[RecommendedItem]) -> list[str]:
    """Return the product IDs of items in their order."""
    return list(items.product_ids) if isinstance(items, ItemColumns) else [item.product_id for item in items]
