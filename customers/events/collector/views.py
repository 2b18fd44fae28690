"""The event collector: stores each item that a Segment SDK posts exactly once, before it responds with 200."""

import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from config.foundation.agents.recognition import read_agent_claim
from config.foundation.http.client_address import get_client_address
from customers.events.collector.envelope import (
    CallBody,
    CollectorError,
    Envelope,
    parse_batch,
    parse_single,
    read_body,
    read_write_key,
)
from customers.events.collector.event_store import RejectedItem, StoreResult
from customers.events.collector.ingest import (
    PendingResult,
    StoreFunction,
    build_context,
    parse_items,
    reject_item,
    store_and_remember,
)
from customers.events.collector.items import DecodeItem, ItemError, choose_item_decoder
from customers.events.collector.parsing import ITEM_WARNINGS, EventRow, RequestContext
from customers.events.collector.rate_limits import limit_content, limit_requests
from customers.events.collector.scanning.scanned_events import event_scanner
from customers.events.sources.write_keys import KnownSource, find_source_by_key, is_known_origin

logger = logging.getLogger(__name__)

MAX_ERRORS = 20  # listed in a response
MAX_KEYS = 20  # in one call
RETRY_SECONDS = 5
CORS_HEADERS = "authorization, content-type, x-retry-count, anonymousid, sentat, x-write-key, x-user-token"

type NumberedItems = Sequence[tuple[int, bytes]]  # items with their positions in the call
type ParsedItems = tuple[list[EventRow], list[RejectedItem]]


@method_decorator(csrf_exempt, name="dispatch")
class CollectorView(View):
    """Base of all collector endpoints: errors as JSON, responses that the shop's pages may read (CORS)."""

    http_method_names = ["get", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.handle_errors(request, lambda: super(CollectorView, self).dispatch(request, *args, **kwargs))

    def handle_errors(self, request: HttpRequest, get_response: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """Return a response, or the one for an error, with the headers that let the shop's pages read it."""
        try:
            response = get_response()
        except CollectorError as error:
            response = build_error_response(error.status, error.code, error.message)
            if error.retry_after:
                response["Retry-After"] = str(error.retry_after)
        except DatabaseError as error:
            if not isinstance(error, OperationalError | InterfaceError):
                logger.exception("The events of a call could not be stored")
            response = build_error_response(
                503, "database_unreachable", "The events could not be stored; send them again."
            )
            response["Retry-After"] = str(RETRY_SECONDS)
        if isinstance(response, PendingResponse):
            response.finish = lambda build: self.handle_errors(request, build)
            return response
        origin = request.META.get("HTTP_ORIGIN")
        if origin and request.method != "OPTIONS":
            # errors need the header too: without it, the shop's script cannot read the response
            allow_origin(response, origin)
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = HttpResponse(status=204)
        origin = request.META.get("HTTP_ORIGIN", "")
        if origin and is_known_origin(origin):
            allow_origin(response, origin)
            response["Access-Control-Allow-Methods"] = self.methods
            response["Access-Control-Allow-Headers"] = CORS_HEADERS
            response["Access-Control-Max-Age"] = "86400"
        response["Allow"] = self.methods
        return response

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        message = f"Method {request.method} is not allowed; use {self.methods.split(',')[0]}."
        response = build_error_response(405, "method_not_allowed", message)
        response["Allow"] = self.methods
        return response

    @property
    def methods(self) -> str:
        return ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))


class UnknownPathView(CollectorView):
    """Answers unknown paths of the collector, so that a script on a page can read the error."""

    http_method_names = ["get", "post", "put", "patch", "delete", "options"]

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        raise CollectorError(404, "unknown_path", f"{request.path[:200]} does not exist; send events to /v1/batch.")

    get = post = put = patch = delete = respond


class Collector(CollectorView):
    """``POST /v1/batch`` and the single calls; ``call_type`` is None for a batch.

    ``store`` saves the parsed items; behind Granian it is the group commit.
    """

    call_type: str | None = None
    store: StoreFunction = staticmethod(store_and_remember)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        received_at = datetime.now(UTC)
        key, source = read_request_key(request), None
        if key:  # checked before the body is read, so that only senders with a key make the server parse anything
            source = authenticate_source(key, origin=request.META.get("HTTP_ORIGIN", ""), now=received_at)
        body = read_limited_body(request, source)
        envelope = parse_batch(body.data) if self.call_type is None else parse_single(body.data)
        rows, rejected = self.parse(request, envelope, key, received_at, body)
        limit_visitors(request, rows)
        return build_response(self.store(rows, rejected))

    def parse(
        self, request: HttpRequest, envelope: Envelope, key: str, received_at: datetime, body: CallBody
    ) -> ParsedItems:
        """Authenticate the call by the key of its headers or body, and parse its items."""
        origin = request.META.get("HTTP_ORIGIN", "")
        key = key or (envelope.writeKey if isinstance(envelope.writeKey, str) else "")
        decode = choose_item_decoder(*body)

        def build_context_of_key(key: str) -> RequestContext:
            source = authenticate_source(key, origin=origin, now=received_at)
            return build_call_context(source, request, self.call_type, envelope.sentAt, received_at)

        def parse_with_key(key: str, items: NumberedItems) -> ParsedItems:
            return parse_items(items, build_context_of_key(key), decode)

        if key:
            return parse_envelope(envelope, body.data, build_context_of_key(key), decode)
        return self.parse_by_item_keys(
            [(index, bytes(raw)) for index, raw in enumerate(envelope.batch)], parse_with_key
        )

    def parse_by_item_keys(
        self, items: NumberedItems, parse_with_key: Callable[[str, NumberedItems], ParsedItems]
    ) -> ParsedItems:
        """Parse items that carry their own write keys; one with an invalid key is rejected alone, unless all are."""
        by_key: dict[str, list[tuple[int, bytes]]] = {}
        for index, data in items:
            by_key.setdefault(read_write_key(data), []).append((index, data))
        if len(by_key) > MAX_KEYS:  # each may need a query
            raise CollectorError(
                400, "too_many_keys", f"The items have {len(by_key)} write keys; the maximum is {MAX_KEYS}."
            )
        rows: list[EventRow] = []
        rejected: list[RejectedItem] = []
        problems: list[tuple[CollectorError, NumberedItems]] = []
        context: RequestContext | None = None
        for key, key_items in by_key.items():
            try:
                more_rows, more_rejected = parse_with_key(key, key_items)
            except CollectorError as error:
                problems.append((error, key_items))
                continue
            rows += more_rows
            rejected += more_rejected
            context = (more_rows or more_rejected)[0].context
        if context is None:
            raise problems[0][0] if problems else build_missing_key_error()
        for problem, failed in problems:
            reason = ItemError(problem.code, problem.message)
            rejected += [reject_item(index, data, reason, context) for index, data in failed]
        return sorted(rows, key=lambda row: row.index), rejected


def parse_envelope(envelope: Envelope, body: bytes, context: RequestContext, decode: DecodeItem) -> ParsedItems:
    """Parse the items of a call: ordinary events of a batch by the scanner, the others one by one."""
    items, scanned = envelope.batch, None
    if context.call_type is None and not envelope.is_repaired:
        scanned = event_scanner.scan_events(body, len(items), context)
    if scanned is None:
        return parse_items(((index, bytes(raw)) for index, raw in enumerate(items)), context, decode)
    rows, rejected = parse_items(
        ((index, bytes(items[index])) for index, row in enumerate(scanned) if row is None), context, decode
    )
    found = [row for row in scanned if row is not None]
    return (sorted([*found, *rows], key=attrgetter("index")) if rows else found), rejected


def read_limited_body(request: HttpRequest, source: KnownSource | None) -> CallBody:
    """Return the body of a call; limit its address unless the headers name a trusted source.

    Raises:
        CollectorError: see `read_body`; 429 if the address has sent too much.
    """
    if source is not None and source.is_trusted:
        return read_body(request)
    address = get_client_address(request.META)
    limit_requests(address)
    body = read_body(request)
    limit_content(address, size=len(body.data))
    return body


def limit_visitors(request: HttpRequest, rows: Sequence[EventRow]) -> None:
    """Limit the number of different visitors that one address may send. Errors: CollectorError with status 429."""
    visitors = {row.stored.anonymous_id or row.stored.user_id for row in rows if not row.context.is_trusted}
    visitors.discard("")
    if visitors:
        limit_content(get_client_address(request.META), size=0, visitors=visitors)


def build_call_context(
    source: KnownSource, request: HttpRequest, call_type: str | None, sent_at: Any, received_at: datetime
) -> RequestContext:
    """Return the values that the items of a call inherit from its headers and its source."""
    headers = request.META
    return build_context(
        source=source,
        received_at=received_at,
        call_type=call_type,
        sent_at=sent_at,
        opted_out=source.honours_opt_out and "1" in (headers.get("HTTP_DNT"), headers.get("HTTP_SEC_GPC")),
        user_token=headers.get("HTTP_X_USER_TOKEN", ""),
        # the headers of a server source are those of the shop's own program
        agent=None if source.is_trusted else read_agent_claim(headers),
    )


def authenticate_source(write_key: str, *, origin: str, now: datetime) -> KnownSource:
    """Return the source of a write key.

    Raises:
        CollectorError: the key is unknown, or the source is disabled or does not allow this origin.
    """
    if not write_key:
        raise build_missing_key_error()
    source = find_source_by_key(write_key, now=now)
    if source is None:
        raise CollectorError(401, "unknown_write_key", "No source has this write key.")
    if not source.enabled:
        raise CollectorError(404, "source_disabled", "This source is disabled.")
    if origin and not source.allows_origin(origin):
        message = f"Origin {origin} is not among the allowed origins of this source."
        raise CollectorError(403, "origin_not_allowed", message)
    return source


def build_missing_key_error() -> CollectorError:
    """Return the error of a call without a write key."""
    return CollectorError(401, "missing_write_key", "Send the write key of a source as the Basic user name.")


def read_request_key(request: HttpRequest) -> str:
    """Return the write key outside the body: Basic user name, Bearer token, X-Write-Key header, or writeKey in the query."""
    scheme, _space, credentials = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            if key := base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]:
                return key
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise CollectorError(401, "invalid_authorization", "The Basic user name is unreadable.") from error
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    if key := request.META.get("HTTP_X_WRITE_KEY", ""):
        return key
    return request.GET.get("writeKey", "") if request.META.get("QUERY_STRING") else ""


class PendingResponse(HttpResponse):
    """The response to a call whose result is not available yet; `complete` returns the one that is sent."""

    def __init__(self, pending: PendingResult) -> None:
        super().__init__()
        self.pending = pending
        self.finish: Callable[[Callable[[], HttpResponseBase]], HttpResponseBase] = lambda build: build()

    def complete(self) -> HttpResponseBase:
        """Return the response, or the one for an error, once the call is finished."""
        return self.finish(lambda: build_response(self.pending.get_result()))


def build_response(result: StoreResult | PendingResult) -> HttpResponse:
    """Return the response to a stored call, or one that is pending."""
    if not isinstance(result, StoreResult):
        return PendingResponse(result)
    content: dict[str, Any] = {
        "success": True,
        "accepted": len(result.rows),
        "duplicates": result.duplicates,
        "rejected": len(result.rejected),
    }
    if result.rejected:
        content["errors"] = list_errors(result.rejected)
    if warnings := list_warnings(result.rows):
        content["warnings"] = warnings
    return build_json_response(content)


def list_warnings(rows: Sequence[EventRow]) -> list[dict[str, Any]]:
    """Return what was not accepted of the first stored events, by position in the call."""
    warned = sorted((row for row in rows if row.warning), key=lambda row: row.index)[:MAX_ERRORS]
    return [
        {"index": row.index, "code": row.warning, "message": ITEM_WARNINGS.get(row.warning) or row.warning_text}
        for row in warned
    ]


def list_errors(rejected: Sequence[RejectedItem]) -> list[dict[str, Any]]:
    """Return the first errors, by position in the call."""
    ordered = sorted(rejected, key=lambda item: item.index)[:MAX_ERRORS]
    return [{"index": item.index, "code": item.code, "message": item.reason} for item in ordered]


def build_error_response(status: int, code: str, message: str) -> HttpResponse:
    """Return the response to a rejected call."""
    return build_json_response({"success": False, "code": code, "message": message}, status=status)


def build_json_response(content: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Return a JSON response, encoded by msgspec."""
    return HttpResponse(msgspec.json.encode(content), status=status, content_type="application/json")


def allow_origin(response: HttpResponseBase, origin: str) -> None:
    """Let pages of this origin read the response."""
    response["Access-Control-Allow-Origin"] = origin
    patch_vary_headers(response, ("Origin",))
