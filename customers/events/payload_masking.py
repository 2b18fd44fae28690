"""Masks the payloads of rejected events for users who may not see personal data but may correct the rest."""

import json
from dataclasses import dataclass, field
from typing import Any

from config.foundation.json_nesting import load_json
from customers.identity.personal_data.masking import MASK, get_element_name, is_personal_id, replace_personal
from customers.identity.personal_data.personal_names import classify_name
from customers.identity.personal_data.recognition import describes_person


class UnreadablePayloadError(Exception):
    """The text is not valid JSON, so its personal parts cannot be identified."""


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


def restore_hidden(value: Any, hidden: dict[str, Any], *, name: str = "", among_traits: bool = False) -> Any:
    """Return a copy of JSON in which marks are replaced by the hidden values.

    A mark stays where masking would not hide its value: nobody can move a name to a property that everyone sees.
    """
    if isinstance(value, str):
        original = hidden.get(value, value)
        is_hidden = replace_personal(original, lambda _value: MASK, name=name, among_traits=among_traits) != original
        return original if is_hidden else value
    if not isinstance(value, dict | list):
        return value
    among = describes_person(classify_name(name), among_traits=among_traits)
    if isinstance(value, list):
        return [
            restore_hidden(inner, hidden, name=get_element_name(inner, name), among_traits=among) for inner in value
        ]
    names = {key: restore_key(key, hidden) for key in value}
    return {
        names[key]: restore_hidden(inner, hidden, name=names[key], among_traits=among) for key, inner in value.items()
    }


def restore_key(key: str, hidden: dict[str, Any]) -> str:
    """Return the hidden key of a mark; a mark of any other value stays, because only keys that are addresses are hidden."""
    original = hidden.get(key)
    return original if isinstance(original, str) and is_personal_id(original) else key


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
