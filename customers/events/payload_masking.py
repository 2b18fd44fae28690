"""What people may read of an event who may not see personal data: what holds some is replaced by dots."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS

MASK = "•••"
PERSONAL_PART = "$personal"  # where the collector puts what it took out of an event, encrypted
EMAIL = re.compile(r"[^\s\"'<>(),:;]+@[^\s\"'<>(),:;]+")
# a product has a name and a title as well: these two are personal only among traits
PERSONAL_ANYWHERE = {name.casefold() for name in PERSONAL_TRAITS} - {"name", "title"} | {PERSONAL_PART, "ip"}
PERSONAL_AMONG_TRAITS = {name.casefold() for name in PERSONAL_TRAITS} | PERSONAL_ANYWHERE
Hide = Callable[[Any], str]


class UnreadablePayloadError(Exception):
    """The text is no JSON, so that nobody can say which parts of it are personal."""


def mask_text(text: str) -> str:
    """The text with every e-mail address replaced; some shops use them as user ids."""
    return EMAIL.sub(MASK, text)


def mask_parts(value: Any, *, among_traits: bool = False) -> Any:
    """A copy of properties, traits or a context without what is personal."""
    return replace_personal(value, lambda _personal: MASK, among_traits=among_traits)


def replace_personal(value: Any, hide: Hide, *, among_traits: bool = False) -> Any:
    """A copy of JSON in which each personal part that is not empty became what ``hide`` returns for it."""
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
    """A payload to be corrected by somebody who may not see what is personal in it.

    Each hidden part has a mark of its own, such as •••1, which ``unmask`` turns back.
    """

    text: str
    hidden: dict[str, Any] = field(default_factory=dict)


def mask_payload(text: str) -> MaskedPayload:
    """Raises UnreadablePayloadError."""
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
        masked.text = pretty(replace_personal(payload, hide))
    except RecursionError as error:
        raise UnreadablePayloadError("It is nested too deeply.") from error
    return masked


def unmask_payload(text: str, hidden: dict[str, Any]) -> str:
    """Puts what was hidden back where its marks stand now. A text that is no JSON stays as it is, to be refused as such."""
    try:
        return compact(put_back(read_payload(text), hidden))
    except (UnreadablePayloadError, RecursionError):
        return text


def put_back(value: Any, hidden: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return hidden.get(value, value)
    if isinstance(value, list):
        return [put_back(inner, hidden) for inner in value]
    if isinstance(value, dict):
        return {key: put_back(inner, hidden) for key, inner in value.items()}
    return value


def read_payload(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayloadError(str(error)) from error


def pretty(value: Any) -> str:
    return encodable(json.dumps(value, ensure_ascii=False, indent=2), value, indent=2)


def compact(value: Any) -> str:
    return encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":")), value, separators=(",", ":"))


def encodable(text: str, value: Any, **layout: Any) -> str:
    """Half a surrogate pair has no UTF-8: such a text is written with escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, **layout)
    return text
