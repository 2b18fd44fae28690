"""Masks personal data in events for users who may not see it: each personal value is replaced by dots."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from config.foundation.json_nesting import load_json
from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS

MASK = "•••"
PERSONAL_PART = "$personal"  # the key under which the collector stores personal data, encrypted
# the look-behind lets a match begin at the beginning of a word only, without which a long word takes quadratic time
EMAIL = re.compile(r"(?<![^\s\"'<>(),:;])@*+[^\s\"'<>(),:;@]++@[^\s\"'<>(),:;]++")
# products have a name and a title too: these two are personal only among traits
PERSONAL_ANYWHERE = {name.casefold() for name in PERSONAL_TRAITS} - {"name", "title"} | {PERSONAL_PART, "ip"}
PERSONAL_AMONG_TRAITS = {name.casefold() for name in PERSONAL_TRAITS} | PERSONAL_ANYWHERE
HideValue = Callable[[Any], str]


class UnreadablePayloadError(Exception):
    """The text is not valid JSON, so its personal parts cannot be identified."""


def mask_text(text: str) -> str:
    """Return the text with every e-mail address masked; some shops use addresses as user ids."""
    return EMAIL.sub(MASK, text)


def mask_personal(value: Any, *, among_traits: bool = False) -> Any:
    """Return a copy of properties, traits or a context with personal values masked."""
    return replace_personal(value, lambda _personal: MASK, among_traits=among_traits)


def replace_personal(value: Any, hide: HideValue, *, among_traits: bool = False) -> Any:
    """Return a copy of JSON in which ``hide`` replaced each personal value that is not empty."""
    if isinstance(value, str):
        return hide(value) if EMAIL.search(value) else value
    if isinstance(value, list):
        return [replace_personal(inner, hide, among_traits=among_traits) for inner in value]
    if not isinstance(value, dict):
        return value
    personal = PERSONAL_AMONG_TRAITS if among_traits else PERSONAL_ANYWHERE
    return {
        key: hide(inner)
        if key.casefold() in personal and inner not in (None, "", [], {})
        else replace_personal(inner, hide, among_traits=key == "traits")
        for key, inner in value.items()
    }


@dataclass(slots=True)
class MaskedPayload:
    """A payload that a user without access to personal data can correct.

    Each hidden value has its own mark, such as •••1, which ``unmask_payload`` replaces by the value.
    """

    text: str
    hidden: dict[str, Any] = field(default_factory=dict)


def mask_payload(text: str) -> MaskedPayload:
    """Replace the personal values of a payload by numbered marks. Raises UnreadablePayloadError."""
    payload = read_payload(text)
    prefix = MASK
    while prefix in text:
        prefix += "•"
    masked = MaskedPayload("")

    def hide(value: Any) -> str:
        mark = f"{prefix}{len(masked.hidden) + 1}"
        masked.hidden[mark] = value
        return mark

    try:
        masked.text = format_indented(replace_personal(payload, hide))
    except RecursionError as error:
        raise UnreadablePayloadError("It is nested too deeply.") from error
    return masked


def unmask_payload(text: str, hidden: dict[str, Any]) -> str:
    """Replace the marks in a corrected payload by the hidden values.

    A text that is not valid JSON is returned unchanged; it is rejected later.
    """
    try:
        return format_compact(restore_hidden(read_payload(text), hidden))
    except (UnreadablePayloadError, RecursionError):
        return text


def restore_hidden(value: Any, hidden: dict[str, Any]) -> Any:
    """Return a copy of JSON in which marks are replaced by the hidden values."""
    if isinstance(value, str):
        return hidden.get(value, value)
    if isinstance(value, list):
        return [restore_hidden(inner, hidden) for inner in value]
    if isinstance(value, dict):
        return {key: restore_hidden(inner, hidden) for key, inner in value.items()}
    return value


def read_payload(text: str) -> Any:
    """Parse a payload. Raises UnreadablePayloadError."""
    try:
        return load_json(text)
    except ValueError as error:
        raise UnreadablePayloadError(str(error)) from error


def format_indented(value: Any) -> str:
    """Return JSON indented for reading."""
    return ensure_encodable(json.dumps(value, ensure_ascii=False, indent=2), value, indent=2)


def format_compact(value: Any) -> str:
    """Return JSON on one line without spaces."""
    return ensure_encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":")), value, separators=(",", ":"))


def ensure_encodable(text: str, value: Any, **layout: Any) -> str:
    """Return the text, or the value with ASCII escapes if it contains lone surrogates, which UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, **layout)
    return text
