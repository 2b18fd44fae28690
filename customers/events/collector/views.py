"""The event collector: what a Segment SDK posts is stored, exactly once, before it is answered with 200."""

import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from customers.events.collector.envelope import CollectorError, Envelope, key_within, open_batch, open_single, read_body
from customers.events.collector.event_store import Recorded, Refusal
from customers.events.collector.ingest import Record, read_items, record_and_remember, refusal_of
from customers.events.collector.parsing import EventRow, Frame, ItemError
from customers.events.sources.write_keys import KnownSource, is_known_origin, source_with_key

logger = logging.getLogger(__name__)

MOST_ERRORS_SHOWN = 20
MOST_KEYS = 20  # in one call
RETRY_SECONDS = 5
CORS_HEADERS = "authorization, content-type, x-retry-count, anonymousid, sentat, x-write-key"

type Numbered = Sequence[tuple[int, bytes]]  # items with their places in the call
type Read = tuple[list[EventRow], list[Refusal]]


@method_decorator(csrf_exempt, name="dispatch")
class CollectorView(View):
    """What all addresses of the collector have in common: errors as JSON, answers that a browser of the shop may read."""

    http_method_names = ["get", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = super().dispatch(request, *args, **kwargs)
        except CollectorError as error:
            response = error_response(error.status, error.code, error.message)
        except DatabaseError as error:
            if not isinstance(error, OperationalError | InterfaceError):
                logger.exception("The events of a call could not be stored")
            response = error_response(503, "database_unreachable", "The events could not be stored; send them again.")
            response["Retry-After"] = str(RETRY_SECONDS)
        origin = request.META.get("HTTP_ORIGIN")
        if origin and request.method != "OPTIONS":
            # an error must be readable as well: without this header a browser shows the shop nothing but "failed"
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
        message = f"{request.method} is not possible here; use {self.methods.split(',')[0]}."
        response = error_response(405, "method_not_allowed", message)
        response["Allow"] = self.methods
        return response

    @property
    def methods(self) -> str:
        return ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))


class Collector(CollectorView):
    """``POST /v1/batch`` and the single calls; ``call_type`` is None for a batch.

    ``record`` stores what was read; behind Granian it is the group commit.
    """

    call_type: str | None = None
    record: Record = staticmethod(record_and_remember)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        received_at = datetime.now(UTC)
        body = read_body(request)
        envelope = open_batch(body) if self.call_type is None else open_single(body)
        rows, refusals = self.read(request, envelope, received_at)
        return answer(self.record(rows, refusals))

    def read(self, request: HttpRequest, envelope: Envelope, received_at: datetime) -> Read:
        origin = request.META.get("HTTP_ORIGIN", "")
        key = call_key(request) or (envelope.writeKey if isinstance(envelope.writeKey, str) else "")
        items = [(index, bytes(raw)) for index, raw in enumerate(envelope.batch)]

        def read_for(key: str, items: Numbered) -> Read:
            source = source_for(key, origin=origin, now=received_at)
            return read_items(items, frame_of(source, request, self.call_type, envelope.sentAt, received_at))

        if key:
            return read_for(key, items)
        return self.read_by_own_keys(items, read_for)

    def read_by_own_keys(self, items: Numbered, read_for: Callable[[str, Numbered], Read]) -> Read:
        """Each item goes to the source of its own key; one without a right key is refused alone, unless all are."""
        by_key: dict[str, list[tuple[int, bytes]]] = {}
        for index, data in items:
            by_key.setdefault(key_within(data), []).append((index, data))
        if len(by_key) > MOST_KEYS:  # each may have to be looked up
            raise CollectorError(
                400, "too_many_keys", f"The items name {len(by_key)} write keys; at most {MOST_KEYS} are taken."
            )
        rows: list[EventRow] = []
        refusals: list[Refusal] = []
        problems: list[tuple[CollectorError, Numbered]] = []
        frame: Frame | None = None
        for key, own in by_key.items():
            try:
                more_rows, more_refusals = read_for(key, own)
            except CollectorError as error:
                problems.append((error, own))
                continue
            rows += more_rows
            refusals += more_refusals
            frame = (more_rows or more_refusals)[0].frame
        if frame is None:
            raise problems[0][0] if problems else missing_write_key()
        for problem, refused in problems:
            reason = ItemError(problem.code, problem.message)
            refusals += [refusal_of(index, data, reason, frame) for index, data in refused]
        return sorted(rows, key=lambda row: row.index), refusals


def frame_of(
    source: KnownSource, request: HttpRequest, call_type: str | None, sent_at: Any, received_at: datetime
) -> Frame:
    opted_out = source.honours_opt_out and "1" in (request.META.get("HTTP_DNT"), request.META.get("HTTP_SEC_GPC"))
    return Frame(source.id, received_at, call_type, sent_at, opted_out)


def source_for(write_key: str, *, origin: str, now: datetime) -> KnownSource:
    """Raises CollectorError when no source has the key, or it is disabled, or takes nothing from this origin."""
    if not write_key:
        raise missing_write_key()
    source = source_with_key(write_key, now=now)
    if source is None:
        raise CollectorError(401, "unknown_write_key", "No source has this write key.")
    if not source.enabled:
        raise CollectorError(404, "source_disabled", "This source is disabled.")
    if origin and not source.allows_origin(origin):
        message = f"{origin} is none of the allowed origins of this source."
        raise CollectorError(403, "origin_not_allowed", message)
    return source


def missing_write_key() -> CollectorError:
    return CollectorError(401, "missing_write_key", "Give the write key of a source, as the user name of Basic.")


def call_key(request: HttpRequest) -> str:
    """The write key beside the body: Basic user name, Bearer token, X-Write-Key, writeKey of the query."""
    scheme, _space, rest = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            if key := base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]:
                return key
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise CollectorError(401, "invalid_authorization", "The Basic user name can't be read.") from error
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    if key := request.META.get("HTTP_X_WRITE_KEY", ""):
        return key
    return request.GET.get("writeKey", "") if request.META.get("QUERY_STRING") else ""


def answer(recorded: Recorded) -> HttpResponse:
    result: dict[str, Any] = {
        "success": True,
        "accepted": len(recorded.rows) + recorded.duplicates,
        "duplicates": recorded.duplicates,
        "rejected": len(recorded.refusals),
    }
    if recorded.refusals:
        result["errors"] = shown_errors(recorded.refusals)
    return json_response(result)


def shown_errors(refusals: Sequence[Refusal]) -> list[dict[str, Any]]:
    ordered = sorted(refusals, key=lambda refusal: refusal.index)[:MOST_ERRORS_SHOWN]
    return [{"index": refusal.index, "code": refusal.code, "message": refusal.reason} for refusal in ordered]


def error_response(status: int, code: str, message: str) -> HttpResponse:
    return json_response({"success": False, "code": code, "message": message}, status=status)


def json_response(content: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(content), status=status, content_type="application/json")


def allow_origin(response: HttpResponseBase, origin: str) -> None:
    response["Access-Control-Allow-Origin"] = origin
    response["Vary"] = "Origin"
