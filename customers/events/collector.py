"""The event collector: what a Segment SDK posts is stored, exactly once, before it is answered with 200."""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from customers.events.decoding import EventRow, ItemError, decode_item, row_of
from customers.events.recent import remember_interactions
from customers.events.recording import Recorded, Refusal, record_events
from customers.events.write_keys import KnownSource, is_known_origin, source_with_key

MOST_BATCH_BYTES = 500 * 1024
MOST_BATCH_EVENTS = 2500
MOST_ERRORS_SHOWN = 20
RETRY_SECONDS = 5
GZIP_MAGIC = b"\x1f\x8b"
CORS_HEADERS = "authorization, content-type, x-retry-count, anonymousid, sentat, x-write-key"


class CollectorError(Exception):
    """Why a whole call is refused; ``code`` and ``message`` are the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Envelope(msgspec.Struct):
    """What stands around the items of a batch."""

    batch: list[msgspec.Raw]
    sentAt: Any = None  # noqa: N815
    writeKey: Any = None  # noqa: N815


class KeyHolder(msgspec.Struct):
    writeKey: Any = None  # noqa: N815


_envelope_decoder = msgspec.json.Decoder(Envelope)
_key_decoder = msgspec.json.Decoder(KeyHolder)
_raw_decoder = msgspec.json.Decoder(msgspec.Raw)


@method_decorator(csrf_exempt, name="dispatch")
class Collector(View):
    """``POST /v1/batch`` and the single calls; ``call_type`` is None for a batch."""

    http_method_names = ["post", "options"]
    call_type: str | None = None

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = HttpResponse(status=204)
        origin = request.headers.get("Origin", "")
        if origin and is_known_origin(origin):
            allow_origin(response, origin)
            response["Access-Control-Allow-Methods"] = "POST, OPTIONS"
            response["Access-Control-Allow-Headers"] = CORS_HEADERS
            response["Access-Control-Max-Age"] = "86400"
        response["Allow"] = "POST, OPTIONS"
        return response

    def post(self, request: HttpRequest) -> HttpResponse:
        received_at = datetime.now(UTC)
        origin = request.headers.get("Origin", "")
        try:
            response: HttpResponse = self.collect(request, origin, received_at)
        except CollectorError as error:
            response = error_response(error.status, error.code, error.message)
        except (OperationalError, InterfaceError):
            response = error_response(503, "database_unreachable", "The events could not be stored; send them again.")
            response["Retry-After"] = str(RETRY_SECONDS)
        if origin:
            # an error must be readable as well: without this header a browser shows the shop nothing but "failed"
            allow_origin(response, origin)
        return response

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = error_response(405, "method_not_allowed", f"{request.method} is not possible here; use POST.")
        response["Allow"] = "POST, OPTIONS"
        return response

    def collect(self, request: HttpRequest, origin: str, received_at: datetime) -> JsonResponse:
        body = read_body(request)
        envelope = open_envelope(body) if self.call_type is None else open_single(body)
        source = source_of(request, envelope, now=received_at)
        if origin and not source.allows_origin(origin):
            message = f"{origin} is none of the allowed origins of this source."
            raise CollectorError(403, "origin_not_allowed", message)
        rows, refusals = self.read_items(envelope, received_at)
        recorded = record_events(source_id=source.id, rows=rows, refusals=refusals, received_at=received_at)
        remember_interactions(recorded.rows)
        return answer(recorded)

    def read_items(self, envelope: Envelope, received_at: datetime) -> tuple[list[EventRow], list[Refusal]]:
        rows, refusals = [], []
        for index, raw in enumerate(envelope.batch):
            data = bytes(raw)
            try:
                row = row_of(
                    decode_item(data),
                    index=index,
                    raw=data,
                    call_type=self.call_type,
                    sent_at=envelope.sentAt,
                    received_at=received_at,
                )
            except ItemError as error:
                refusals.append(Refusal(index, data.decode(), error.code, error.reason))
            except RecursionError:
                refusals.append(Refusal(index, data.decode(), "nested_too_deeply", "The event is nested too deeply."))
            else:
                rows.append(row)
        return rows, refusals


def read_body(request: HttpRequest) -> bytes:
    """The body as UTF-8, unpacked where it is packed, whatever its Content-Type says."""
    try:
        data = request.read(MOST_BATCH_BYTES + 1)
    except (UnreadablePostError, OSError) as error:
        raise CollectorError(400, "incomplete_body", "The body broke off; send it again.") from error
    if data[:2] == GZIP_MAGIC:
        data = unpack(data)
    if len(data) > MOST_BATCH_BYTES:
        raise CollectorError(
            413, "too_large", f"A call may have {MOST_BATCH_BYTES} bytes at most; send smaller batches."
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise CollectorError(400, "invalid_encoding", f"The body is no UTF-8 ({error}).") from error
    return data.strip()


def unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, MOST_BATCH_BYTES + 1)
    except zlib.error as error:
        raise CollectorError(400, "invalid_gzip", f"The body can't be unpacked ({error}).") from error
    if not unpacker.eof and len(unpacked) <= MOST_BATCH_BYTES:
        raise CollectorError(400, "invalid_gzip", "The packed body broke off; send it again.")
    return unpacked


def open_envelope(body: bytes) -> Envelope:
    try:
        envelope = _envelope_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise CollectorError(400, "invalid_batch", f'{error}. Give an object {{"batch": [ … ]}}.') from error
    except (msgspec.DecodeError, RecursionError) as error:
        envelope = open_loosely(body, str(error))
    if len(envelope.batch) > MOST_BATCH_EVENTS:
        message = f"The batch has {len(envelope.batch)} events; at most {MOST_BATCH_EVENTS} are taken in a call."
        raise CollectorError(413, "too_many_events", message)
    return envelope


def open_single(body: bytes) -> Envelope:
    try:
        return Envelope(batch=[_raw_decoder.decode(body)])
    except (msgspec.DecodeError, RecursionError) as error:
        read_loosely(body, str(error))
        return Envelope(batch=[msgspec.Raw(body)])


def read_loosely(body: bytes, problem: str) -> Any:
    """Python's reader takes half characters and NaN, so that only the item that holds them has to be refused."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise CollectorError(400, "invalid_json", f"The body is no JSON ({problem}).") from error
    except RecursionError as error:
        raise CollectorError(400, "nested_too_deeply", "The JSON is nested too deeply.") from error


def open_loosely(body: bytes, problem: str) -> Envelope:
    loose = read_loosely(body, problem)
    if not isinstance(loose, dict) or not isinstance(loose.get("batch"), list):
        raise CollectorError(400, "invalid_batch", 'Give an object {"batch": [ … ]}.')
    items = [msgspec.Raw(json.dumps(item).encode()) for item in loose["batch"]]
    return Envelope(batch=items, sentAt=loose.get("sentAt"), writeKey=loose.get("writeKey"))


def source_of(request: HttpRequest, envelope: Envelope, *, now: datetime) -> KnownSource:
    write_key = header_key(request) or request.GET.get("writeKey") or body_key(envelope)
    if not write_key:
        raise CollectorError(401, "missing_write_key", "Give the write key of a source, as the user name of Basic.")
    source = source_with_key(write_key, now=now)
    if source is None:
        raise CollectorError(401, "unknown_write_key", "No source has this write key.")
    if not source.enabled:
        raise CollectorError(404, "source_disabled", "This source is disabled.")
    return source


def header_key(request: HttpRequest) -> str | None:
    scheme, _space, rest = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            if key := base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]:
                return key
        except (binascii.Error, UnicodeDecodeError) as error:
            raise CollectorError(401, "invalid_authorization", "The Basic user name can't be read.") from error
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    return request.headers.get("X-Write-Key")


def body_key(envelope: Envelope) -> str | None:
    """The key beside the batch, or the first that an item carries."""
    if isinstance(envelope.writeKey, str) and envelope.writeKey:
        return envelope.writeKey
    for raw in envelope.batch:
        try:
            key = _key_decoder.decode(raw).writeKey
        except (msgspec.MsgspecError, RecursionError):
            continue  # this item will be refused with its reason, if another one has a key
        if isinstance(key, str) and key:
            return key
    return None


def answer(recorded: Recorded) -> JsonResponse:
    result: dict[str, Any] = {
        "success": True,
        "accepted": len(recorded.rows) + recorded.duplicates,
        "duplicates": recorded.duplicates,
        "rejected": len(recorded.refusals),
    }
    if recorded.refusals:
        result["errors"] = shown_errors(recorded.refusals)
    return JsonResponse(result)


def shown_errors(refusals: Sequence[Refusal]) -> list[dict[str, Any]]:
    ordered = sorted(refusals, key=lambda refusal: refusal.index)[:MOST_ERRORS_SHOWN]
    return [{"index": refusal.index, "code": refusal.code, "message": refusal.reason} for refusal in ordered]


def error_response(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"success": False, "code": code, "message": message}, status=status)


def allow_origin(response: HttpResponse, origin: str) -> None:
    response["Access-Control-Allow-Origin"] = origin
    response["Vary"] = "Origin"
