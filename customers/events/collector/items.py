"""Items as the SDKs send them, decoded from JSON within limits."""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from config.foundation.json_nesting import MAX_JSON_DEPTH, NestingError, require_shallow_json
from customers.events.collector.unstorable_text import parse_lenient_json, replace_unstorable

MAX_EVENT_BYTES = 32 * 1024


class ItemError(Exception):
    """An item cannot be accepted; ``code`` and ``reason`` say why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class EventItem(msgspec.Struct):
    """An item as the SDKs send it; fields not listed here are ignored."""

    warning: ClassVar[str] = ""

    type: Any = None
    messageId: Any = None  # noqa: N815
    event: Any = None
    name: Any = None
    category: Any = None
    userId: Any = None  # noqa: N815
    anonymousId: Any = None  # noqa: N815
    previousId: Any = None  # noqa: N815
    groupId: Any = None  # noqa: N815
    properties: Any = None
    traits: Any = None
    context: Any = None
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815
    writeKey: Any = None  # noqa: N815


class RepairedItem(EventItem):
    """An item in which characters were replaced, because PostgreSQL cannot store them."""

    warning: ClassVar[str] = "replaced_characters"


_decoder = msgspec.json.Decoder(EventItem)
_repaired_decoder = msgspec.json.Decoder(RepairedItem)


type DecodeItem = Callable[[bytes], EventItem]


def choose_item_decoder(data: bytes, depth: int) -> DecodeItem:
    """Return the function that decodes the items of a body, by the nesting of the body: checking the body once is faster than checking each item."""
    # a search for one byte is ten times as fast, and most bodies have no backslash
    has_nul = b"\0" in data or (b"\\" in data and b"\\u0000" in data)
    return decode_item if has_nul or depth > MAX_JSON_DEPTH else decode_plain_item


def decode_plain_item(raw: bytes) -> EventItem:
    """Decode one item of a body without deep nesting and NUL characters. Errors: as `decode_item`."""
    if len(raw) > MAX_EVENT_BYTES:
        return decode_item(raw)
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        return decode_item(raw)


def decode_item(raw: bytes) -> EventItem:
    """Decode one item from JSON; lone surrogates and NUL characters become U+FFFD, and the item becomes a `RepairedItem`.

    Raises:
        ItemError: the item is too large, nested too deeply, or not a JSON object.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise ItemError("event_too_large", f"The event has {len(raw)} bytes; the maximum is {MAX_EVENT_BYTES}.")
    try:
        require_shallow_json(raw)
        if b"\\u0000" in raw:
            return decode_repaired(raw)
        return _decoder.decode(raw)
    except NestingError as error:
        raise ItemError("nested_too_deeply", str(error).replace("JSON", "event")) from error
    except msgspec.ValidationError as error:
        raise ItemError(
            "invalid_event", f"{error}. Send an object as described in the tracking documentation."
        ) from error
    except msgspec.DecodeError:
        return decode_invalid(raw)


def decode_repaired(raw: bytes) -> EventItem:
    """Decode an item after replacing what PostgreSQL cannot store. Errors: those of msgspec."""
    repaired = replace_unstorable(raw)
    return (_decoder if repaired == raw else _repaired_decoder).decode(repaired)


def decode_invalid(raw: bytes) -> EventItem:
    """Decode an item with lone surrogates. Errors: ItemError if it is invalid JSON for any other reason."""
    try:
        return decode_repaired(raw)
    except msgspec.ValidationError as error:
        raise ItemError(
            "invalid_event", f"{error}. Send an object as described in the tracking documentation."
        ) from error
    except msgspec.DecodeError as error:
        if not is_lenient_json(raw):
            raise ItemError("invalid_json", f"The event is not valid JSON: {error}.") from error
        raise ItemError(
            "invalid_text", f"The event contains text or numbers that JSON does not allow: {error}."
        ) from error


def is_lenient_json(raw: bytes) -> bool:
    """Return whether an item is valid JSON except for numbers such as NaN and control characters."""
    try:
        parse_lenient_json(raw)
    except (ValueError, RecursionError):
        return False
    return True


def abbreviate(value: Any) -> str:
    """Return the repr of a value, shortened to 60 characters for error texts."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
