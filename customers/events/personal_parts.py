"""Moves the personal data of an event into one encrypted text, ``properties.$personal``, and back.

Decrypted, it is an object as ``recognition.extract_personal`` returns it. The personal traits of the context are among those of the
properties; what else was personal in the context is under ``$context``.
"""

from typing import Any

import msgspec

from customers.identity.personal_data.masking import PERSONAL_PART
from customers.identity.personal_data.personal_traits import seal_personal
from customers.identity.personal_data.recognition import (
    extract_personal,
    may_have_email,
    may_have_number,
    may_have_personal_names,
    may_look_personal,
    merge_personal,
)

CONTEXT_PART = "$context"
# what SDKs write into the context; only addresses and the queries of URLs can be personal there
SDK_CONTEXT = frozenset(
    {"app", "campaign", "channel", "consent", "device", "library", "locale", "network", "os", "page", "referrer", "screen", "sessionId",
     "timezone", "userAgent", "userAgentData"}
)  # fmt: skip
TRAIT_CALLS = frozenset({"identify", "group"})  # their properties are the traits of a person

QUESTION_MARK = ord("?")

_encode = msgspec.json.Encoder().encode


def encode_sealed(
    call_type: str, properties: dict[str, Any], context: dict[str, Any], *, is_anonymous: bool = False
) -> tuple[bytes, bytes]:
    """Return properties and context as JSON, with the personal parts encrypted; changes both objects.

    An ordinary event without personal data costs only the checks.

    Args:
        is_anonymous: whether personal parts are left out instead.
    """
    encoded, encoded_context = _encode(properties), _encode(context)
    personal: dict[str, Any] = {}
    if call_type in TRAIT_CALLS or may_look_personal(encoded) or may_have_personal_names(properties, encoded):
        personal = take_from_properties(call_type, properties)
    if (
        may_have_email(encoded_context)
        or (QUESTION_MARK in encoded_context and may_have_number(encoded_context))
        or not (SDK_CONTEXT.issuperset(context) or not may_have_personal_names(context, encoded_context))
    ):
        personal = take_from_context(context, personal)
        encoded_context = _encode(context)
    if personal:
        if not is_anonymous:
            properties[PERSONAL_PART] = seal_personal(personal)
        encoded = _encode(properties)
    return encoded, encoded_context


def take_personal_parts(call_type: str, properties: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Remove the personal data from properties and context, and return it."""
    return take_from_context(context, take_from_properties(call_type, properties))


def take_from_properties(call_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Remove the personal data from properties, and return it."""
    # the earlier ID of an alias call stays, since it is an identifier like the user ID, which has a column of its own
    previous_id = properties.pop("previousId", None) if call_type == "alias" else None
    personal = extract_personal(properties, among_traits=call_type in TRAIT_CALLS)
    if previous_id is not None:
        properties["previousId"] = previous_id
    return personal


def take_from_context(context: dict[str, Any], personal: dict[str, Any]) -> dict[str, Any]:
    """Remove the personal data from a context; return it together with that of the properties."""
    if not (rest := extract_personal(context)):
        return personal
    personal = rest.pop("traits", {}) | personal
    return personal | {CONTEXT_PART: rest} if rest else personal


def merge_personal_parts(properties: dict[str, Any], personal: dict[str, Any]) -> dict[str, Any]:
    """Return properties together with their decrypted personal part."""
    rest = {name: value for name, value in properties.items() if name != PERSONAL_PART}
    return merge_personal(rest, {name: value for name, value in personal.items() if name != CONTEXT_PART})
