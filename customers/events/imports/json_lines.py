"""JSON Lines of items as SDKs send them: one item a line, or one batch.

An archived item may carry the moment it was sent. The collector takes that for a minute ago; here it is history, so the time is
set right by `receivedAt` where the line has it, and else taken as it stands.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from customers.events.collector.parsing import moment_of

MOST_LINE = 500 * 1024


class LineError(Exception):
    """Why a line can't be read at all."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Batch(msgspec.Struct):
    batch: list[msgspec.Raw]
    sentAt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class Times(msgspec.Struct):
    """What of an item says when it happened."""

    sentAt: Any = None  # noqa: N815
    receivedAt: Any = None  # noqa: N815
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815


_batch = msgspec.json.Decoder(Batch)
_times = msgspec.json.Decoder(Times)
_raw = msgspec.json.Decoder(msgspec.Raw)


def items_of(line: bytes) -> Iterator[bytes]:
    """The items of a line, ready for `take_items`.

    Raises:
        LineError: the line is no JSON object in UTF-8.
    """
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise LineError("invalid_encoding", f"The line is no UTF-8 ({error}).") from error
    if not line.startswith(b"{"):
        raise LineError(
            "invalid_json", f"The line begins with {line[:20].decode(errors='replace')!r}; give a JSON object."
        )
    if b'"batch"' in line:
        try:
            inner = _batch.decode(line).batch
        except (msgspec.MsgspecError, RecursionError):
            pass  # an item that speaks of a batch; what is wrong with it, decoding will say
        else:
            yield from (historical(bytes(raw)) for raw in inner)
            return
    yield historical(line)


def historical(item: bytes) -> bytes:
    """The item with its corrected time as `timestamp`, and without the moment of sending."""
    if b'"sentAt"' not in item:
        return item
    try:
        times = _times.decode(item)
        if times.sentAt is None:
            return item
        loose: dict[str, Any] = msgspec.json.decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return item  # decoding will say what is wrong with it
    del loose["sentAt"]
    if times.originalTimestamp is not None:
        loose.pop("originalTimestamp")
        loose["timestamp"] = corrected(times) or times.originalTimestamp
    return msgspec.json.encode(loose)


def corrected(times: Times) -> str:
    """receivedAt − (sentAt − originalTimestamp); empty when one of them is lacking or no time."""
    if times.receivedAt is None:
        return ""
    try:
        received, sent, original = map(moment_of, (times.receivedAt, times.sentAt, times.originalTimestamp))
        moment: datetime = received - (sent - original)
    except (ValueError, TypeError, OverflowError):
        return ""
    return moment.isoformat()
