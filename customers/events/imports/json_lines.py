"""Reads JSON Lines of items in the form SDKs send them: one item or one batch per line.

An archived item may contain the time it was sent. The collector assumes that this was just now; for archived items the clock is
corrected by `receivedAt` if the line has it, otherwise the time is used unchanged.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from config.foundation.json_nesting import NestingError, require_shallow_json
from customers.events.collector.envelope import MAX_BODY_DEPTH
from customers.events.collector.fields import parse_moment

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
_times_decoder = msgspec.json.Decoder(ItemTimes)
_raw_decoder = msgspec.json.Decoder(msgspec.Raw)


def iterate_line_items(line: bytes) -> Iterator[bytes]:
    """Yield the items of a line, ready for `ingest_items`.

    Raises:
        LineError: the line is not a JSON object in UTF-8.
    """
    try:
        line.decode()
    except UnicodeDecodeError as error:
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
            inner = _batch_decoder.decode(line).batch
        except (msgspec.MsgspecError, RecursionError):
            pass  # not a batch but an item with this text; if it is invalid, decoding it reports why
        else:
            yield from (normalize_time(bytes(raw)) for raw in inner)
            return
    yield normalize_time(line)


def normalize_time(item: bytes) -> bytes:
    """Return the item with its corrected time as `timestamp`, and without `sentAt`."""
    if b'"sentAt"' not in item:
        return item
    try:
        times = _times_decoder.decode(item)
        if times.sentAt is None:
            return item
        parsed: dict[str, Any] = msgspec.json.decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return item  # invalid; decoding it reports why
    del parsed["sentAt"]
    if times.originalTimestamp is not None:
        parsed.pop("originalTimestamp")
        parsed["timestamp"] = correct_clock(times) or times.originalTimestamp
    return msgspec.json.encode(parsed)


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
