"""Traits of customers: which can be stored, and which are fields of a customer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from customers.identity.personal_data.chinese_names import join_name
from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS
from customers.identity.resolution.blocklist import is_blocked_id

MAX_TRAITS = 200
MAX_TRAIT_NAME = 100
MAX_TRAIT_TEXT = 2000
MAX_NAME = 500
MAX_LANGUAGE = 20
MAX_COUNTRY = 100
TRAIT_PREFIX = "traits."  # marks trait names in lists of fields and traits
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_BIRTHDAY = date(1880, 1, 1)
# they describe the call itself, or are fields of a customer
IGNORED_TRAITS = frozenset({"id", "userId", "anonymousId", "createdAt", "language", "locale", "country"})


@dataclass(frozen=True, slots=True)
class IdentifyTraits:
    """The usable content of an identify call: fields as texts, and traits; the value None removes a trait."""

    fields: dict[str, str] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)


def find_trait_problem(name: Any, value: Any) -> Any:
    """Return why a trait cannot be stored; None if it can."""
    if not is_plain_text(name, MAX_TRAIT_NAME) or not name:
        return _("A trait name must have 1 to %(max)d characters.") % {"max": MAX_TRAIT_NAME}
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and not is_plain_text(item, MAX_TRAIT_TEXT):
            return _("A string can have at most %(max)d characters and no NUL.") % {"max": MAX_TRAIT_TEXT}
        if isinstance(item, int | float) and not abs(item) <= 2**63:  # rejects infinity too
            return _("The number is too large.")
        if not isinstance(item, str | int | float | bool | None):
            return _("Send a string, a number, a boolean, a list of these, or null to remove the trait.")
    return None


def is_plain_text(text: Any, max_length: int) -> bool:
    """Return whether a value is a text that can be stored."""
    return (
        isinstance(text, str) and len(text) <= max_length and "\0" not in text and text.isascii() | is_encodable(text)
    )


def is_encodable(text: str) -> bool:
    """Return whether a text has no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def read_identify_traits(traits: Mapping[str, Any], *, at: datetime) -> IdentifyTraits:
    """Return the usable traits of an identify call; unusable ones are ignored, the stored event keeps them.

    E-mail and phone are not included: identity resolution reads them separately.
    """
    fields = {
        "name": build_name(traits),
        "birthday": parse_birthday(traits.get("birthday"), at=at),
        "language": clean_text(traits.get("language") or traits.get("locale"), MAX_LANGUAGE),
        "country": clean_text(traits.get("country") or get_nested(traits.get("address"), "country"), MAX_COUNTRY),
    }
    plain = {
        name: value
        for name, value in traits.items()
        if name not in PERSONAL_TRAITS and name not in IGNORED_TRAITS and find_trait_problem(name, value) is None
    }
    return IdentifyTraits({name: text for name, text in fields.items() if text}, dict(list(plain.items())[:MAX_TRAITS]))


def build_name(traits: Mapping[str, Any]) -> str:
    """Return the full name, or first and last name combined; empty for a placeholder."""
    full_name = clean_text(traits.get("name"), MAX_NAME)
    parts = [traits.get("firstName", traits.get("first_name")), traits.get("lastName", traits.get("last_name"))]
    first, last = (part.strip() if isinstance(part, str) else "" for part in parts)
    name = full_name or clean_text(join_name(first, last), MAX_NAME)
    return "" if is_blocked_id(name) else name


def parse_birthday(value: Any, *, at: datetime) -> str:
    """Return a birthday as ISO date without a time of day; empty if it is not plausible."""
    try:
        birthday = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return ""
    return birthday.isoformat() if birthday and MIN_BIRTHDAY <= birthday <= at.date() else ""


def clean_text(value: Any, max_length: int) -> str:
    """Return a text without surrounding spaces; empty if it is not a text or too long."""
    text = value.strip() if isinstance(value, str) else ""
    return text if is_plain_text(text, max_length) else ""


def get_nested(value: Any, name: str) -> Any:
    """Return a key of a value that may not be an object."""
    return value.get(name) if isinstance(value, Mapping) else None


def to_microseconds(at: datetime) -> int:
    """Return the microseconds since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)
