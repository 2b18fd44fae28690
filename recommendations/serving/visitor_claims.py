"""Decides for which customer a request can act: a browser gets a customer's data only with that customer's user token."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _
from rest_framework.request import Request as HttpRequest

from config.foundation.agents.recognition import read_agent_claim
from customers.events.sources.user_tokens import is_valid_user_token, list_token_keys
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.rank import RankRequest
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse, RecommendedItem
from recommendations.serving.search.request import SearchRequest

UNVERIFIED = "unverified"  # value of ``identity`` in REST responses
BOUGHT_OFTEN, DUE_AGAIN = "bought_often", "due_again"
COUNTED_REASONS = frozenset({BOUGHT_OFTEN, DUE_AGAIN})  # whose texts contain numbers of purchases


class Caller(NamedTuple):
    """Who sends a request.

    is_browser: it uses a key that every visitor can read. requires_user_token: whether a customer ID needs a user token. is_agent: whether
    it claims to be an automated visitor; responses to such visitors are not recorded.
    """

    is_browser: bool = False
    requires_user_token: bool = False
    user_token: str = ""
    is_agent: bool = False


def read_caller(request: HttpRequest) -> Caller:
    """Return the caller of a REST request, whose ``auth`` is the grant of its key."""
    return build_caller(
        is_browser=getattr(request.auth, "publishable", False),
        requires_user_token=getattr(request.auth, "requires_user_token", False),
        headers=request.META,
    )


def build_caller(*, is_browser: bool, requires_user_token: bool, headers: Mapping[str, str]) -> Caller:
    """Return the caller of a request with these headers (a WSGI environment).

    Only browsers can be automated visitors: with a secret key, the headers are those of the shop's own server.
    """
    return Caller(
        is_browser,
        requires_user_token,
        headers.get("HTTP_X_USER_TOKEN", ""),
        is_browser and read_agent_claim(headers) is not None,
    )


def verify_visitor[Request: RecommendationRequest | RankRequest | SearchRequest](
    request: Request, *, caller: Caller, now: datetime
) -> Request:
    """Return the request with what its caller is allowed to ask: a customer ID that the user token does not prove is removed."""
    if not caller.is_browser:
        return request
    is_unverified = (
        bool(request.user_id)
        and caller.requires_user_token
        and not is_valid_user_token(caller.user_token, user_id=request.user_id, keys=list_token_keys(), now=now)
    )
    if is_unverified:
        return replace(request, user_id="", is_browser=True, is_unverified=True, is_agent=caller.is_agent)
    return replace(request, is_browser=True, is_agent=caller.is_agent)


def hide_purchase_counts(response: RecommendationResponse) -> RecommendationResponse:
    """Return the response without purchase counts, which others could see on a shared screen."""
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
