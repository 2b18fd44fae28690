"""Reads JSON Lines of items in the form SDKs send them: one item or one batch per line.

An archived item may contain the time it was sent. The collector assumes that this was just now; for archived items the clock is
corrected by `receivedAt` if the line has it, otherwise the time is used unchanged.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from config.foundation.json_nesting import NestingError, require_shallow_json
from customers.events.collector.envelope import MAX_BODY_DEPTH
from customers.events.collector.fields import parse_moment
from customers.events.collector.unstorable_text import parse_lenient_json

MAX_LINE = 500 * 1024


class LineError(Exception):
    """A line cannot be parsed at all; ``code`` and ``reason`` say why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class BatchLine(msgspec.Struct):
    batch: list[msgspec.Raw]
    sentAt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class ItemTimes(msgspec.Struct):
    """The times in an item."""

    sentAt: Any = None  # noqa: N815
    receivedAt: Any = None  # noqa: N815
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815


_batch_decoder = msgspec.json.Decoder(BatchLine)


def iterate_line_items(line: bytes) -> Iterator[bytes]:
    """Yield the items of a line, ready for `ingest_items`.

    Raises:
        LineError: the line is not a JSON object in UTF-8.
    """
    try:
        line.decode()
    except UnicodeDecodeError as error:
        # unlike in a call, not replaced: someone can convert the file, so that nothing is lost
        raise LineError("invalid_encoding", f"The line is not valid UTF-8 ({error}).") from error
    try:
        require_shallow_json(line, MAX_BODY_DEPTH)
    except NestingError as error:
        raise LineError("nested_too_deeply", str(error)) from error
    if not line.startswith(b"{"):
        raise LineError(
            "invalid_json", f"The line begins with {line[:20].decode(errors='replace')!r}; give a JSON object."
        )
    if b'"batch"' in line:
        try:
            inner = decode_batch(line)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            pass  # not a batch but an item with this text; if it is invalid, decoding it reports why
        else:
            yield from (normalize_time(raw) for raw in inner)
            return
    yield normalize_time(line)


def decode_batch(line: bytes) -> list[bytes]:
    """Return the items of a batch, also if one contains lone surrogates. Errors: ValueError and those of msgspec."""
    try:
        return [bytes(raw) for raw in _batch_decoder.decode(line).batch]
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        parsed = parse_lenient_json(line)
        if not isinstance(parsed, dict) or not isinstance(parsed.get("batch"), list):
            raise
        return [json.dumps(item).encode() for item in parsed["batch"]]


def normalize_time(item: bytes) -> bytes:
    """Return the item with its corrected time as `timestamp`, and without `sentAt`."""
    if b'"sentAt"' not in item:
        return item
    try:
        parsed = decode_lenient(item)
        times = msgspec.convert(parsed, ItemTimes)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return item  # invalid; decoding it reports why
    if times.sentAt is None:
        return item
    del parsed["sentAt"]
    if times.originalTimestamp is not None:
        parsed.pop("originalTimestamp")
        parsed["timestamp"] = correct_clock(times) or times.originalTimestamp
    try:
        return msgspec.json.encode(parsed)
    except UnicodeEncodeError:
        return json.dumps(parsed).encode()  # escapes lone surrogates, which decoding the item replaces


def decode_lenient(item: bytes) -> Any:
    """Decode JSON that may contain lone surrogates. Errors: ValueError and those of msgspec."""
    try:
        return msgspec.json.decode(item)
    except msgspec.DecodeError:
        return parse_lenient_json(item)


def correct_clock(times: ItemTimes) -> str:
    """Return receivedAt − (sentAt − originalTimestamp); empty if one of them is missing or not a time."""
    if times.receivedAt is None:
        return ""
    try:
        received, sent, original = map(parse_moment, (times.receivedAt, times.sentAt, times.originalTimestamp))
        corrected: datetime = received - (sent - original)
    except (ValueError, TypeError, OverflowError):
        return ""
    return corrected.isoformat()
