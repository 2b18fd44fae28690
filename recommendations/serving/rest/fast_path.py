"""Serve recommendations, rankings, searches and autocomplete in front of Django.

Django's middleware takes longer than the responses. Only plainly valid requests are served here. Every other one, including
every error, goes to the REST view, so that errors are worded in one place. One round trip to Valkey counts the request for the
rate limit and reads the visitor's activity.
"""

import logging
import operator
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections
from django.http.cookie import parse_cookie
from django.utils import timezone, translation
from django.utils.translation.trans_real import get_supported_language_variant, parse_accept_lang_header

from config.foundation.rate_limiter import count_locally
from customers.events.recent.interactions import read_recent_activity
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.pipeline.visitor import VALKEY_TIMEOUT_SECONDS
from recommendations.serving.rank import RankRequest
from recommendations.serving.request import InvalidRequestError, RecommendationRequest
from recommendations.serving.rest.api import RankView, RecommendationsView
from recommendations.serving.rest.request import NotPlainError, parse_plain_body, parse_plain_query
from recommendations.serving.rest.search.api import SearchView
from recommendations.serving.rest.search.autocomplete import parse_plain_autocomplete, serve_autocomplete
from recommendations.serving.rest.search.autocomplete_api import AutocompleteView
from recommendations.serving.rest.search.request import parse_search_pairs
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.rest.serve import serve_ranking, serve_recommendations
from recommendations.serving.search.request import InvalidSearchError, SearchRequest
from recommendations.serving.search.searcher import SearchNotReadyError
from recommendations.serving.visitor_claims import Caller, verify_visitor

logger = logging.getLogger(__name__)

RECOMMENDATIONS_PATH, RANK_PATH, SEARCH_PATH = "/api/v1/recommendations/", "/api/v1/rank/", "/api/v1/search/"
AUTOCOMPLETE_PATH = "/api/v1/search/autocomplete/"
MAX_BODY_BYTES = 1_000_000
ENCODED = re.compile(r"[%+]")  # a text without these needs no decoding
_thread = threading.local()
split_parameter = operator.methodcaller("partition", "=")

type Environ = dict[str, Any]
type StartResponse = Callable[..., Any]
type Application = Callable[[Environ, StartResponse], Iterable[bytes]]
type ServingView = type[RankView] | type[RecommendationsView] | type[SearchView] | type[AutocompleteView]
type ServingRequest = RecommendationRequest | RankRequest | SearchRequest


class Permit(NamedTuple):
    """What a caller may do: who calls, the rate limit with key and length of the current window, and which page may read the response."""

    caller: Caller
    key: str
    window_seconds: int
    max_requests: int
    readable_by: str = ""  # the origin of the request, if its pages may read the response


type Authorize = Callable[[Environ, ServingView], Permit | None]


def serve_recommendations_first(application: Application, *, authorize: Authorize) -> Application:
    """Return a WSGI application that serves plain requests itself and passes all others on.

    authorize: returns the permit of a caller who may use a view; None for any other caller.
    """

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith((RECOMMENDATIONS_PATH, RANK_PATH, SEARCH_PATH)):
            return application(environ, start_response)
        try:
            body, permit = _serve(environ, path, authorize)
        except (
            NotPlainError,
            InvalidRequestError,
            InvalidSearchError,
            SearchNotReadyError,
            DatabaseError,
            InterfaceError,
        ):
            return application(environ, start_response)
        except Exception:
            logger.exception("%s %s", environ["REQUEST_METHOD"], path)
            return application(environ, start_response)
        finally:
            if has_connection() and not connection.in_atomic_block:
                connection.close()  # after looking up a key, return the connection to the pool
        start_response("200 OK", _make_headers(permit, len(body)))
        return [body]

    return serve


def has_connection() -> bool:
    """Return whether this thread has a connection to the database open; Django's own look-up takes ten times as long."""
    try:
        wrapper = _thread.wrapper
    except AttributeError:
        wrapper = _thread.wrapper = connections[DEFAULT_DB_ALIAS]
    return wrapper.connection is not None


def _serve(environ: Environ, path: str, authorize: Authorize) -> tuple[bytes, Permit]:
    """Return the body of the response and the permit of its caller.

    Errors: NotPlainError and others for requests that the REST view must serve.
    """
    permit = authorize(environ, _find_view(path))
    if permit is None:
        raise NotPlainError
    now = timezone.now()
    language = _find_language(environ)
    if path == AUTOCOMPLETE_PATH:
        return _serve_autocomplete(environ, permit, language, now), permit
    request = verify_visitor(_read_request(environ, path, language), caller=permit.caller, now=now)
    activity = read_recent_activity(
        identifiers=request.identifiers,
        counter_key=permit.key,
        counter_seconds=2 * permit.window_seconds,
        timeout=VALKEY_TIMEOUT_SECONDS,
    )
    if is_above_limit(permit, activity.count):
        raise NotPlainError
    # activating a language takes longer than comparing it with the active one
    with nullcontext() if translation.get_language() == language else translation.override(language):
        if isinstance(request, RankRequest):
            return serve_ranking(request=request, now=now, activity=activity), permit
        if isinstance(request, SearchRequest):
            return serve_search(request=request, now=now, activity=activity), permit
        return serve_recommendations(request=request, now=now, activity=activity), permit


def _serve_autocomplete(environ: Environ, permit: Permit, language: str, now: datetime) -> bytes:
    """Return the body of an autocomplete response, which is the same for all visitors."""
    asked = parse_plain_autocomplete(_parse_query(environ.get("QUERY_STRING", "")), language=language)
    activity = read_recent_activity(
        identifiers=(),
        counter_key=permit.key,
        counter_seconds=2 * permit.window_seconds,
        timeout=VALKEY_TIMEOUT_SECONDS,
    )
    if is_above_limit(permit, activity.count):
        raise NotPlainError
    return serve_autocomplete(request=replace(asked, is_browser=permit.caller.is_browser), now=now)


def is_above_limit(permit: Permit, count: int | None) -> bool:
    """Return whether a caller has made too many requests; without Valkey, this process counts for itself."""
    if count is None:
        return count_locally(permit.key, max_requests=permit.max_requests) > 0
    return count > permit.max_requests


def _find_view(path: str) -> ServingView:
    """Return the view of a path.

    Errors: NotPlainError for a path below these, such as a search's own sub-path.
    """
    if path == RANK_PATH:
        return RankView
    if path == SEARCH_PATH:
        return SearchView
    if path == AUTOCOMPLETE_PATH:
        return AutocompleteView
    if path.startswith(RECOMMENDATIONS_PATH):
        return RecommendationsView
    raise NotPlainError


def _read_request(environ: Environ, path: str, language: str) -> ServingRequest:
    """Return the request of a path."""
    if path == RANK_PATH:
        return parse_plain_body(_read_body(environ))
    pairs = _parse_query(environ.get("QUERY_STRING", ""))
    if path == SEARCH_PATH:
        return parse_search_pairs(pairs, language=language)
    scenario = path.removeprefix(RECOMMENDATIONS_PATH).removesuffix("/")
    if scenario not in PLACEMENTS or not path.endswith("/"):
        raise NotPlainError
    return parse_plain_query(scenario, pairs)


def _parse_query(query: str) -> list[tuple[str, str]]:
    """Return the decoded parameters in their order. Errors: NotPlainError."""
    if not query:
        return []
    pairs = [(name, value) for name, is_pair, value in map(split_parameter, query.split("&")) if is_pair]
    if len(pairs) < query.count("&") + 1:
        raise NotPlainError
    if not ENCODED.search(query):
        return pairs
    try:
        # most texts need no decoding, and checking for that is cheaper than decoding
        return [
            (
                unquote_plus(name, errors="strict") if ENCODED.search(name) else name,
                unquote_plus(value, errors="strict") if ENCODED.search(value) else value,
            )
            for name, value in pairs
        ]
    except ValueError as error:
        raise NotPlainError from error


def _read_body(environ: Environ) -> bytes:
    """Return a JSON body, and put it back for the REST view. Errors: NotPlainError."""
    length = environ.get("CONTENT_LENGTH") or "0"
    is_json = environ.get("CONTENT_TYPE", "").partition(";")[0].strip() == "application/json"
    if not is_json or not length.isdigit() or int(length) > MAX_BODY_BYTES or environ.get("QUERY_STRING"):
        raise NotPlainError
    if environ.get("HTTP_CONTENT_ENCODING"):
        raise NotPlainError
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)  # the REST view reads it again if this path gives up
    return body


def _find_language(environ: Mapping[str, Any]) -> str:
    """Return the language that LocaleMiddleware would choose: cookie, browser, default."""
    cookie = environ.get("HTTP_COOKIE", "")
    if settings.LANGUAGE_COOKIE_NAME in cookie and (
        preferred := parse_cookie(cookie).get(settings.LANGUAGE_COOKIE_NAME)
    ):
        return _choose_language((preferred,), settings.LANGUAGE_CODE)
    return _choose_accepted_language(environ.get("HTTP_ACCEPT_LANGUAGE", ""), settings.LANGUAGE_CODE)


@lru_cache(maxsize=256)
def _choose_accepted_language(header: str, default: str) -> str:
    return _choose_language((language for language, _weight in parse_accept_lang_header(header)), default)


def _choose_language(languages: Iterable[str], default: str) -> str:
    """Return the first language that is supported, else the default."""
    for language in languages:
        if language == "*":
            break
        try:
            return get_supported_language_variant(language)
        except LookupError:
            continue
    return default


def _make_headers(permit: Permit, length: int) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("Vary", "Accept-Language, Authorization, Cookie, Origin"),
        ("Cache-Control", "private, no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
    ]
    if permit.readable_by:
        headers.append(("Access-Control-Allow-Origin", permit.readable_by))
    return headers
