"""Items as the SDKs send them, decoded from JSON within limits."""

from typing import Any

import msgspec

from config.foundation.json_nesting import NestingError, require_shallow_json

MAX_EVENT_BYTES = 32 * 1024


class ItemError(Exception):
    """An item cannot be accepted; ``code`` and ``reason`` say why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class EventItem(msgspec.Struct):
    """An item as the SDKs send it; fields not listed here are ignored."""

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


_decoder = msgspec.json.Decoder(EventItem)


def decode_item(raw: bytes) -> EventItem:
    """Decode one item from JSON.

    Raises:
        ItemError: the item is too large, is not an object, or contains text that PostgreSQL cannot store.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise ItemError("event_too_large", f"The event has {len(raw)} bytes; the maximum is {MAX_EVENT_BYTES}.")
    try:
        require_shallow_json(raw)
        item = _decoder.decode(raw)
    except NestingError as error:
        raise ItemError("nested_too_deeply", str(error).replace("JSON", "event")) from error
    except msgspec.ValidationError as error:
        raise ItemError(
            "invalid_event", f"{error}. Send an object as described in the tracking documentation."
        ) from error
    except msgspec.DecodeError as error:
        raise ItemError(
            "invalid_text", f"The event contains text or numbers that JSON does not allow: {error}."
        ) from error
    if b"\\u0000" in raw and has_nul(msgspec.json.decode(raw)):
        raise ItemError("nul_character", "The event contains a NUL character (\\u0000); remove it.")
    return item


def has_nul(value: Any) -> bool:
    """Return whether any text in a JSON value contains the NUL character, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(has_nul(key) or has_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(has_nul(inner) for inner in value)


def abbreviate(value: Any) -> str:
    """Return the repr of a value, shortened to 60 characters for error texts."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
