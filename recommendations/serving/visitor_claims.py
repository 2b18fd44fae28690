"""Whom a request may speak for: a browser reads what is meant for a customer only with that customer's user token."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _
from rest_framework.request import Request as HttpRequest

from customers.events.sources.user_tokens import is_valid_user_token, list_token_keys
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.rank import RankRequest
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse, RecommendedItem
from recommendations.serving.search.request import SearchRequest

UNVERIFIED = "unverified"  # the identity of a response, sent over REST
BOUGHT_OFTEN, DUE_AGAIN = "bought_often", "due_again"
COUNTED_REASONS = frozenset({BOUGHT_OFTEN, DUE_AGAIN})  # whose texts contain numbers of purchases


class Caller(NamedTuple):
    """Who sends a request.

    is_browser: with a key that every visitor can read. requires_user_token: whether a customer ID needs a user token.
    """

    is_browser: bool = False
    requires_user_token: bool = False
    user_token: str = ""


def read_caller(request: HttpRequest) -> Caller:
    """Return the caller of a REST request, whose ``auth`` is the grant of its key."""
    return Caller(
        getattr(request.auth, "publishable", False),
        getattr(request.auth, "requires_user_token", False),
        request.META.get("HTTP_X_USER_TOKEN", ""),
    )


def verify_visitor[Request: RecommendationRequest | RankRequest | SearchRequest](
    request: Request, *, caller: Caller, now: datetime
) -> Request:
    """Return the request as the caller may make it: without a customer ID that the user token does not prove."""
    if not caller.is_browser:
        return request
    is_unverified = (
        bool(request.user_id)
        and caller.requires_user_token
        and not is_valid_user_token(caller.user_token, user_id=request.user_id, keys=list_token_keys(), now=now)
    )
    if is_unverified:
        return replace(request, user_id="", is_browser=True, is_unverified=True)
    return replace(request, is_browser=True)


def hide_purchase_counts(response: RecommendationResponse) -> RecommendationResponse:
    """Return the response without the numbers of purchases, which are nobody's business on a shared screen."""
    if not any(item.reason is not None and item.reason.code in COUNTED_REASONS for item in response.items):
        return response
    return replace(response, items=_hide_counts(response.items))


def _hide_counts(items: Sequence[RecommendedItem]) -> list[RecommendedItem]:
    return [item._replace(reason=_hide_count(item.reason)) if item.reason else item for item in items]


def _hide_count(reason: ItemReason) -> ItemReason:
    if reason.code == BOUGHT_OFTEN:
        return ItemReason(reason.code, _("You bought it multiple times"), reason.product_ids)
    if reason.code == DUE_AGAIN:
        return ItemReason(reason.code, _("You may need this product again"), reason.product_ids)
    return reason
