"""The public addresses of UCP: the discovery document and the catalog queries, for anyone, without a key."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, RawPostDataException
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from config.shopping_agents.models import AgentFeedSettings
from config.shopping_agents.public_access import TooManyRequestsError, count_request, require_published
from config.shopping_agents.ucp import catalog
from config.shopping_agents.ucp.profile import LOOKUP, SEARCH, build_envelope, build_profile
from config.shopping_agents.ucp.requests import (
    CatalogLookupBody,
    CatalogProductBody,
    CatalogSearchBody,
    InvalidCatalogRequestError,
    parse_body,
)
from customers.events.models import AgentActivity
from recommendations.serving.expressions.expression import ExpressionError
from recommendations.serving.search.request import InvalidSearchError
from recommendations.serving.search.searcher import SearchNotReadyError

Action = AgentActivity.Action
PROFILE_CACHE = "public, max-age=3600"
RETRY_SECONDS = 5


@require_safe
def show_profile(request: HttpRequest) -> HttpResponse:
    """Show the discovery document."""
    try:
        require_published(request)
    except TooManyRequestsError as error:
        return respond_limited(SEARCH, error)
    count_request(request, action=Action.CATALOG, page="/.well-known/ucp", at=timezone.now())
    response = respond(build_profile())
    response["Cache-Control"] = PROFILE_CACHE
    return response


@csrf_exempt
@require_POST
def search(request: HttpRequest) -> HttpResponse:
    """Answer `POST /catalog/search`."""

    def run(data: bytes, feed_settings: AgentFeedSettings) -> dict[str, Any]:
        body = parse_body(data, CatalogSearchBody)
        return catalog.search_catalog(body, feed_settings=feed_settings, now=timezone.now())

    return answer(request, SEARCH, "search", run)


@csrf_exempt
@require_POST
def look_up(request: HttpRequest) -> HttpResponse:
    """Answer `POST /catalog/lookup`."""

    def run(data: bytes, feed_settings: AgentFeedSettings) -> dict[str, Any]:
        return catalog.look_up(parse_body(data, CatalogLookupBody), feed_settings=feed_settings, now=timezone.now())

    return answer(request, LOOKUP, "lookup", run)


@csrf_exempt
@require_POST
def get_product(request: HttpRequest) -> HttpResponse:
    """Answer `POST /catalog/product`."""

    def run(data: bytes, feed_settings: AgentFeedSettings) -> dict[str, Any]:
        return catalog.get_product(
            parse_body(data, CatalogProductBody), feed_settings=feed_settings, now=timezone.now()
        )

    return answer(request, LOOKUP, "product", run)


def answer(
    request: HttpRequest, capability: str, name: str, run: Callable[[bytes, AgentFeedSettings], dict[str, Any]]
) -> HttpResponse:
    """Answer a query, or say what is wrong with it, in the form of UCP."""
    try:
        feed_settings = require_published(request)
        count_request(request, action=Action.CATALOG, page=f"/ucp/catalog/{name}", at=timezone.now())
        return respond(run(request.body, feed_settings))
    except TooManyRequestsError as error:
        return respond_limited(capability, error)
    except InvalidCatalogRequestError as error:
        return respond_error(capability, HTTPStatus.BAD_REQUEST, error.code, str(error))
    except (InvalidSearchError, ExpressionError) as error:
        return respond_error(capability, HTTPStatus.BAD_REQUEST, "invalid_request", str(error))
    except (UnreadablePostError, RawPostDataException):
        return respond_error(
            capability, HTTPStatus.BAD_REQUEST, "incomplete_body", "The body is incomplete; send it again."
        )
    except SearchNotReadyError:
        response = respond_error(
            capability,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not_ready",
            "The search is being prepared; send the request again.",
        )
        response["Retry-After"] = str(RETRY_SECONDS)
        return response


def respond_limited(capability: str, error: TooManyRequestsError) -> HttpResponse:
    response = respond_error(capability, HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", str(error))
    response["Retry-After"] = str(error.seconds)
    return response


def respond_error(capability: str, status: HTTPStatus, code: str, message: str) -> HttpResponse:
    """Return an error as a message of UCP."""
    content = {
        "ucp": build_envelope(capability, status="error"),
        "messages": [{"type": "error", "code": code, "content": message, "severity": "recoverable"}],
    }
    return respond(content, status=status)


def respond(content: dict[str, Any], *, status: int = HTTPStatus.OK) -> HttpResponse:
    response = HttpResponse(msgspec.json.encode(content), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
