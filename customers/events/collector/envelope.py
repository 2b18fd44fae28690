"""Reads the body of a collector call: size limits, decompression, and splitting a batch into raw items."""

import json
import zlib
from typing import Any, ClassVar, NamedTuple

import msgspec
from django.http import HttpRequest, UnreadablePostError

from config.foundation.files.gzip_files import GZIP_MAGIC
from config.foundation.json_nesting import NestingError, require_shallow_json
from customers.events.collector.unstorable_text import escape_invalid_bytes, parse_lenient_json

MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_EVENTS = 2500
# an item may have 64 levels; a call with a deeper one is still split, so that only this item is rejected
MAX_BODY_DEPTH = 250


class CollectorError(Exception):
    """A whole call is rejected; ``code`` and ``message`` go into the response."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status
        self.code = code
        self.message = message


class CallBody(NamedTuple):
    """The body of a call: UTF-8, and an upper bound of the nesting of its JSON."""

    data: bytes
    depth: int


class Envelope(msgspec.Struct):
    """A batch: the raw items and the fields next to them."""

    is_repaired: ClassVar[bool] = False  # whether the items differ from the bytes of the body

    batch: list[msgspec.Raw]
    sentAt: Any = None  # noqa: N815
    writeKey: Any = None  # noqa: N815


class RepairedEnvelope(Envelope):
    """A batch that is not valid JSON, of which only Python's reader could make items."""

    is_repaired: ClassVar[bool] = True


class WriteKeyField(msgspec.Struct):
    """The write key of an item; everything else is skipped while decoding."""

    writeKey: Any = None  # noqa: N815


_envelope_decoder = msgspec.json.Decoder(Envelope)
_key_decoder = msgspec.json.Decoder(WriteKeyField)
_raw_decoder = msgspec.json.Decoder(msgspec.Raw)


def read_body(request: HttpRequest) -> CallBody:
    """Return the body as UTF-8, decompressed if it is gzip, whatever its Content-Type says.

    Bytes that are not UTF-8 do not invalidate the call: they are replaced in their events.

    The nesting of the body is checked, so that parsing it cannot overflow the stack.
    """
    stream: Any = request
    if not request.META.get("CONTENT_LENGTH") and request.META.get("HTTP_TRANSFER_ENCODING"):
        stream = request.META["wsgi.input"]  # Django treats a body of unknown length as empty
    try:
        data = stream.read(MAX_BATCH_BYTES + 1)
    except (UnreadablePostError, OSError) as error:
        raise CollectorError(400, "incomplete_body", "The body is incomplete; send it again.") from error
    if data[:2] == GZIP_MAGIC:
        data = decompress(data)
    elif "gzip" in request.META.get("HTTP_CONTENT_ENCODING", "").lower() and data.lstrip()[:1] != b"{":
        # JSON is accepted: a proxy may have decompressed the body and kept the header
        raise CollectorError(
            400, "invalid_gzip", "The body is not valid gzip. Compress it, or leave out Content-Encoding."
        )
    if len(data) > MAX_BATCH_BYTES:
        message = f"The call has more than {MAX_BATCH_BYTES} bytes; send smaller batches."
        raise CollectorError(413, "too_large", message)
    data = escape_invalid_bytes(data)
    try:
        depth = require_shallow_json(data, MAX_BODY_DEPTH)
    except NestingError as error:
        raise CollectorError(400, "nested_too_deeply", str(error)) from error
    return CallBody(data.strip(), depth)


def decompress(data: bytes) -> bytes:
    """Decompress gzip, stopping just above the size limit so that a small body cannot fill the memory."""
    decompressor = zlib.decompressobj(wbits=31)
    try:
        decompressed = decompressor.decompress(data, MAX_BATCH_BYTES + 1)
    except zlib.error as error:
        raise CollectorError(400, "invalid_gzip", f"The body cannot be decompressed ({error}).") from error
    if not decompressor.eof and len(decompressed) <= MAX_BATCH_BYTES:
        raise CollectorError(400, "invalid_gzip", "The compressed body is incomplete; send it again.")
    return decompressed


def parse_batch(body: bytes) -> Envelope:
    """Split ``{"batch": [ … ]}`` into raw items."""
    try:
        envelope = _envelope_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise CollectorError(400, "invalid_batch", f'{error}. Send an object {{"batch": [ … ]}}.') from error
    except msgspec.DecodeError as error:
        envelope = parse_batch_leniently(body, str(error))
    if len(envelope.batch) > MAX_BATCH_EVENTS:
        message = f"The batch has {len(envelope.batch)} events; the maximum is {MAX_BATCH_EVENTS} per call."
        raise CollectorError(413, "too_many_events", message)
    return envelope


def parse_single(body: bytes) -> Envelope:
    """Return a body that is one item as an envelope."""
    try:
        return Envelope(batch=[_raw_decoder.decode(body)])
    except msgspec.DecodeError as error:
        item = parse_leniently(body, str(error))
        return Envelope(batch=[msgspec.Raw(json.dumps(item).encode())])


def parse_leniently(body: bytes, problem: str) -> Any:
    """Parse JSON with Python's reader, which accepts lone surrogates, control characters and NaN.

    Only the item that contains them is then changed or rejected, not the whole call.
    """
    try:
        return parse_lenient_json(body)
    except ValueError as error:
        raise CollectorError(400, "invalid_json", f"The body is not valid JSON ({problem}).") from error


def parse_batch_leniently(body: bytes, problem: str) -> Envelope:
    """Split a batch that only Python's reader accepts."""
    parsed = parse_leniently(body, problem)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("batch"), list):
        raise CollectorError(400, "invalid_batch", 'Send an object {"batch": [ … ]}.')
    items = [msgspec.Raw(json.dumps(item).encode()) for item in parsed["batch"]]
    return RepairedEnvelope(batch=items, sentAt=parsed.get("sentAt"), writeKey=parsed.get("writeKey"))


def read_write_key(item: bytes) -> str:
    """Return the write key inside an item; empty if there is none or the item is unreadable."""
    try:
        key = _key_decoder.decode(item).writeKey
    except msgspec.MsgspecError:
        return ""
    return key if isinstance(key, str) else ""
