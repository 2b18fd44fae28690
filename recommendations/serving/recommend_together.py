"""Recommend products for several placements of one page, so that no product is shown twice."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from customers.events.recent.interactions import RecentActivity
from recommendations.serving.pipeline.visitor import read_activity
from recommendations.serving.recommend import recommend
from recommendations.serving.request import InvalidRequestError, RecommendationRequest, validate_request
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader, loader


class InvalidPlacementsError(Exception):
    """Some of several requests are invalid; the messages of each field, by position of the request."""

    def __init__(self, errors: Mapping[int, Mapping[str, str]]) -> None:
        super().__init__("; ".join(f"{position}: {fields}" for position, fields in errors.items()))
        self.errors = dict(errors)


def recommend_together(
    *,
    requests: Sequence[RecommendationRequest],
    is_distinct: bool,
    now: datetime,
    source: StateLoader = loader,
    activity: RecentActivity | None = None,
) -> list[RecommendationResponse]:
    """Return the response of each request, all of the same visitor, in their order.

    is_distinct: a product of one response is in no later one. The visitor's recent activity is read once. No response has a
    next page, because its products would not be compared with those of the others.

    Errors: InvalidPlacementsError, before any response counts as served.
    """
    errors: dict[int, Mapping[str, str]] = {}
    for position, request in enumerate(requests):
        try:
            validate_request(request)
        except InvalidRequestError as error:
            errors[position] = error.errors
    if errors:
        raise InvalidPlacementsError(errors)
    activity = read_activity(requests[0]) if activity is None else activity
    shown: dict[str, None] = {}
    responses = []
    for position, request in enumerate(requests):
        if is_distinct and shown:
            request = replace(request, exclude=[*request.exclude, *shown])
        try:
            response = recommend(request=request, now=now, source=source, activity=activity, is_assigned=True)
        except InvalidRequestError as error:
            errors[position] = error.errors
            continue
        shown.update(dict.fromkeys(list_shown_products(response)))
        responses.append(replace(response, next_cursor=None))
    if errors:
        raise InvalidPlacementsError(errors)
    return responses


def list_shown_products(response: RecommendationResponse) -> list[str]:
    """Return the products of a response, also those of its categories."""
    products = [item.product_id for item in response.items]
    return products + [product_id for category in response.categories or () for product_id in category.product_ids]
