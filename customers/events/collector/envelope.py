"""What clients put into a call's body: read within limits, unpacked, taken apart into items that are still text."""

import json
import zlib
from typing import Any

import msgspec
from django.http import HttpRequest, UnreadablePostError

MOST_BATCH_BYTES = 500 * 1024
MOST_BATCH_EVENTS = 2500
GZIP_MAGIC = b"\x1f\x8b"


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


def read_body(request: HttpRequest) -> bytes:
    """The body as UTF-8, unpacked where it is packed, whatever its Content-Type says."""
    stream: Any = request
    if not request.META.get("CONTENT_LENGTH") and request.META.get("HTTP_TRANSFER_ENCODING"):
        stream = request.META["wsgi.input"]  # Django takes a body of unknown length for an empty one
    try:
        data = stream.read(MOST_BATCH_BYTES + 1)
    except (UnreadablePostError, OSError) as error:
        raise CollectorError(400, "incomplete_body", "The body broke off; send it again.") from error
    if data[:2] == GZIP_MAGIC:
        data = unpack(data)
    if len(data) > MOST_BATCH_BYTES:
        message = f"A call may have {MOST_BATCH_BYTES} bytes at most; send smaller batches."
        raise CollectorError(413, "too_large", message)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise CollectorError(400, "invalid_encoding", f"The body is no UTF-8 ({error}).") from error
    return data.strip()


def unpack(data: bytes) -> bytes:
    """Never makes more of it than a body may have."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, MOST_BATCH_BYTES + 1)
    except zlib.error as error:
        raise CollectorError(400, "invalid_gzip", f"The body can't be unpacked ({error}).") from error
    if not unpacker.eof and len(unpacked) <= MOST_BATCH_BYTES:
        raise CollectorError(400, "invalid_gzip", "The packed body broke off; send it again.")
    return unpacked


def open_batch(body: bytes) -> Envelope:
    """Takes ``{"batch": [ … ]}`` apart."""
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
    """A body that is one item."""
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


def key_within(item: bytes) -> str:
    """The write key that an item carries; empty when there is none, or the item can't be read."""
    try:
        key = _key_decoder.decode(item).writeKey
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return key if isinstance(key, str) else ""
