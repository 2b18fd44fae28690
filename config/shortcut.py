"""Recommendations in front of Django's middleware, which does nothing for them and takes longer than they do.

What is plainly right, a key that may and parameters in their ranges, is answered here; everything else, every error among it, goes to
the REST view, so that each is worded in one place. One round trip to Valkey counts the request and reads the person's lists.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http.cookie import parse_cookie
from django.utils import timezone, translation
from django.utils.translation.trans_real import get_supported_language_variant, parse_accept_lang_header

from config.access.grants import Grant, find_key_grant, parse_authorization
from config.access.throttling import WINDOW_SECONDS, format_throttle_key
from recommendations.engine.placements import SCENARIOS
from recommendations.serving.pipeline.visitor import VALKEY_TIMEOUT_SECONDS, read_recent_activity
from recommendations.serving.rank import MAX_RANKED_PRODUCTS, RankRequest
from recommendations.serving.request import MAX_ITEMS, InvalidRequestError, RecommendationRequest
from recommendations.serving.rest.api import RankView, RecommendationsView
from recommendations.serving.rest.search.api import SearchView
from recommendations.serving.rest.search.request import InvalidSearchError, SearchRequest, parse_search_request
from recommendations.serving.rest.search.response import respond
from recommendations.serving.rest.serve import serve_ranking, serve_recommendations
from recommendations.serving.search.searcher import SearchNotReadyError

logger = logging.getLogger(__name__)

RECOMMENDATIONS, RANK, SEARCH = "/api/v1/recommendations/", "/api/v1/rank/", "/api/v1/search/"
MOST_BODY = 1_000_000
# parameter → the most characters of it
TEXTS = {
    "user_id": 255,
    "anonymous_id": 255,
    "session_id": 255,
    "cursor": 100,
    "category": 1000,
    "landing_category": 1000,
    "language": 35,
    "country": 100,
    "device": 100,
    "brand": 200,
}
FLAGS = {"in_stock", "explain", "strict"}
WORDS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}

type Environ = dict[str, Any]
type Start = Callable[..., Any]
type Application = Callable[[Environ, Start], Iterable[bytes]]


OWN_VIEWS: Mapping[str, Any] = {RANK: RankView, SEARCH: SearchView}


class NotPlainError(Exception):
    """Whatever it is, the REST view sees to it."""


class RankBody(msgspec.Struct, forbid_unknown_fields=True):
    product_ids: list[str]
    user_id: str = ""
    anonymous_id: str = ""
    in_stock: bool = True
    explain: bool = True


def take_recommendations_first(application: Application) -> Application:
    """A WSGI application that answers recommendations and rankings itself; all else, and whatever is not plain, goes to Django."""

    def serve(environ: Environ, start_response: Start) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith((RECOMMENDATIONS, RANK, SEARCH)):
            return application(environ, start_response)
        try:
            body = answer(environ, path)
        except (NotPlainError, InvalidRequestError, InvalidSearchError, SearchNotReadyError, DatabaseError, InterfaceError):
            return application(environ, start_response)
        except Exception:
            logger.exception("%s %s", environ["REQUEST_METHOD"], path)
            return application(environ, start_response)
        finally:
            if connection.connection is not None and not connection.in_atomic_block:
                connection.close()  # a key was looked up; back to the pool
        start_response("200 OK", headers_of(environ, len(body)))
        return [body]

    return serve


def answer(environ: Environ, path: str) -> bytes:
    """Errors: NotPlainError, WrongRequestError."""
    grant = grant_of(environ, view_of(path))
    now = timezone.now()
    counted = format_throttle_key(grant.caller, minute=int(time.time() // WINDOW_SECONDS))
    limit = grant.requests_per_minute or settings.API_REQUESTS_PER_MINUTE
    language = language_of(environ)
    asked: RecommendationRequest | RankRequest | SearchRequest
    if path == RANK:
        asked = rank_request(environ)
        identifiers = asked.to_recommendation_request().identifiers
    elif path == SEARCH:
        with translation.override(language):
            asked = search_request(environ.get("QUERY_STRING", ""))
        identifiers = asked.identifiers
    else:
        asked = recommendation_request(path, environ.get("QUERY_STRING", ""))
        identifiers = asked.identifiers
    recently = read_recent_activity(
        identifiers=identifiers, counted=counted, counted_seconds=2 * WINDOW_SECONDS, timeout=VALKEY_TIMEOUT_SECONDS
    )
    if recently.count is not None and recently.count > limit:
        raise NotPlainError
    with translation.override(language):
        if isinstance(asked, RankRequest):
            return serve_ranking(request=asked, now=now, recently=recently)
        if isinstance(asked, SearchRequest):
            return respond(asked, now, recently=recently)
        return serve_recommendations(request=asked, now=now, recently=recently)


type View = type[RankView] | type[RecommendationsView] | type[SearchView]


def view_of(path: str) -> View:
    """Errors: NotPlainError for an address below these."""
    if path in OWN_VIEWS:
        return OWN_VIEWS[path]
    if not path.startswith(RECOMMENDATIONS):
        raise NotPlainError
    return RecommendationsView


def grant_of(environ: Environ, view: View) -> Grant:
    """What the key in the header may do. Errors: NotPlainError."""
    method = environ["REQUEST_METHOD"]
    plain = parse_authorization(environ.get("HTTP_AUTHORIZATION", ""))
    if not plain or method not in view.required_scopes:
        raise NotPlainError
    grant = find_key_grant(plain, now=timezone.now())
    if grant is None or not grant.allows(view, method):
        raise NotPlainError
    return grant


def search_request(query: str) -> SearchRequest:
    """Errors: NotPlainError."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
        if len({name for name, _value in pairs}) < len(pairs):
            raise NotPlainError
        return parse_search_request(dict(pairs))
    except (ValueError, InvalidSearchError) as error:
        raise NotPlainError from error


def recommendation_request(path: str, query: str) -> RecommendationRequest:
    """Errors: NotPlainError."""
    scenario = path.removeprefix(RECOMMENDATIONS).removesuffix("/")
    if scenario not in SCENARIOS or not path.endswith("/"):
        raise NotPlainError
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError as error:
        raise NotPlainError from error
    wanted: dict[str, Any] = {}
    products: list[str] = []
    exclude: list[str] = []
    for name, value in pairs:
        if name in wanted or not value or value != value.strip() or "\x00" in value:
            raise NotPlainError
        if name == "product_ids":
            products += listed(value)
        elif name == "product_id" and len(value) <= 200 and "product_id" not in wanted:
            products.insert(0, value)
        elif name == "exclude":
            exclude += listed(value)
        else:
            wanted[name] = plain_value(name, value)
    return RecommendationRequest(scenario, product_ids=products, exclude=exclude, **wanted)


def listed(value: str) -> list[str]:
    if len(value) > 20_000:
        raise NotPlainError
    return [part for one in value.split(",") if (part := one.strip())]


def plain_value(name: str, value: str) -> Any:
    """Errors: NotPlainError."""
    if name in TEXTS:
        if len(value) > TEXTS[name]:
            raise NotPlainError
        return value
    if name == "n":
        if value.isascii() and value.isdigit() and len(value) <= 3 and 1 <= int(value) <= MAX_ITEMS:
            return int(value)
    elif name in FLAGS:
        if value in WORDS:
            return WORDS[value]
    elif name in ("price_min", "price_max"):
        whole, _point, rest = value.partition(".")
        if (
            value.isascii()
            and whole.isdigit()
            and len(whole) <= 12
            and (not rest or (rest.isdigit() and len(rest) <= 2))
        ):
            return Decimal(value)
    elif name == "diversity" and value in ("0", "1", *(f"0.{digit}" for digit in range(10))):
        return float(value)
    raise NotPlainError


def rank_request(environ: Environ) -> RankRequest:
    """The body, which is put back for whoever looks at it next. Errors: NotPlainError."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if (
        environ.get("CONTENT_TYPE", "").partition(";")[0].strip() != "application/json"
        or not length.isdigit()
        or int(length) > MOST_BODY
        or environ.get("QUERY_STRING")
    ):
        raise NotPlainError
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    try:
        told = msgspec.json.decode(body, type=RankBody)
    except msgspec.DecodeError as error:
        raise NotPlainError from error
    texts = [*told.product_ids, told.user_id, told.anonymous_id]
    if (
        not 1 <= len(told.product_ids) <= MAX_RANKED_PRODUCTS
        or any(not text for text in told.product_ids)
        or any(len(text) > 200 or text != text.strip() or "\x00" in text for text in texts)
    ):
        raise NotPlainError
    return RankRequest(told.product_ids, told.user_id, told.anonymous_id, told.in_stock, told.explain)


def language_of(environ: Mapping[str, Any]) -> str:
    """As Django's LocaleMiddleware finds it: the cookie of the language switch, the browser's wishes, the default."""
    cookie = environ.get("HTTP_COOKIE", "")
    if settings.LANGUAGE_COOKIE_NAME in cookie and (chosen := parse_cookie(cookie).get(settings.LANGUAGE_COOKIE_NAME)):
        wishes: Iterable[str] = [chosen]
    else:
        wishes = (language for language, _weight in parse_accept_lang_header(environ.get("HTTP_ACCEPT_LANGUAGE", "")))
    for wish in wishes:
        if wish == "*":
            break
        try:
            return get_supported_language_variant(wish)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


def headers_of(environ: Mapping[str, Any], length: int) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("Vary", "Accept-Language, Cookie, Origin"),
        ("Cache-Control", "private, no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
    ]
    origin = environ.get("HTTP_ORIGIN")
    if origin and origin in settings.CORS_ALLOWED_ORIGINS:
        headers.append(("Access-Control-Allow-Origin", origin))
    return headers
