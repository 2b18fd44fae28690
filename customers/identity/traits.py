"""What shops tell of their customers: which traits can be kept, and which of them are fields of a customer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS
from customers.identity.resolution.blocklist import is_blocked_id

MOST_TRAITS = 200
MOST_TRAIT_NAME = 100
MOST_TRAIT_TEXT = 2000
MOST_NAME = 500
MOST_LANGUAGE = 20
MOST_COUNTRY = 100
TRAIT = "traits."  # before a trait's name where fields and traits stand side by side
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_BIRTHDAY = date(1880, 1, 1)
# said of the call itself, or said better by a field
NO_TRAITS = frozenset({"id", "userId", "anonymousId", "createdAt", "language", "locale", "country"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What an identify call tells: fields with a text each, and traits; the value None removes a trait."""

    fields: dict[str, str] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)


def problem_of_trait(name: Any, value: Any) -> Any:
    """Why a trait can't be kept, for people to read; None when it can."""
    if not is_plain_text(name, MOST_TRAIT_NAME) or not name:
        return _("A trait's name has 1 to %(most)d characters.") % {"most": MOST_TRAIT_NAME}
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str) and not is_plain_text(part, MOST_TRAIT_TEXT):
            return _("A text has at most %(most)d characters, none of them NUL.") % {"most": MOST_TRAIT_TEXT}
        if isinstance(part, int | float) and not abs(part) <= 2**63:  # neither an infinity
            return _("The number is too large.")
        if not isinstance(part, str | int | float | bool | None):
            return _("Give a text, a number, a truth value, a list of these, or null to remove the trait.")
    return None


def is_plain_text(text: Any, most: int) -> bool:
    return isinstance(text, str) and len(text) <= most and "\0" not in text and text.isascii() | is_encodable(text)


def is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def read_facts(traits: Mapping[str, Any], *, at: datetime) -> Facts:
    """The facts among the traits of an identify call; what can't be kept is left out, the event itself keeps it.

    E-mail and phone are read from the trace, which has them already.
    """
    told = {
        "name": name_of(traits),
        "birthday": birthday_of(traits.get("birthday"), at=at),
        "language": text_of(traits.get("language") or traits.get("locale"), MOST_LANGUAGE),
        "country": text_of(traits.get("country") or within(traits.get("address"), "country"), MOST_COUNTRY),
    }
    plain = {
        name: value
        for name, value in traits.items()
        if name not in PERSONAL_TRAITS and name not in NO_TRAITS and problem_of_trait(name, value) is None
    }
    return Facts({name: text for name, text in told.items() if text}, dict(list(plain.items())[:MOST_TRAITS]))


def name_of(traits: Mapping[str, Any]) -> str:
    whole = text_of(traits.get("name"), MOST_NAME)
    parts = [traits.get("firstName", traits.get("first_name")), traits.get("lastName", traits.get("last_name"))]
    name = whole or text_of(" ".join(part.strip() for part in parts if isinstance(part, str)), MOST_NAME)
    return "" if is_blocked_id(name) else name


def birthday_of(value: Any, *, at: datetime) -> str:
    """An ISO date; a time of day behind it is cut off."""
    try:
        birthday = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return ""
    return birthday.isoformat() if birthday and FIRST_BIRTHDAY <= birthday <= at.date() else ""


def text_of(value: Any, most: int) -> str:
    """The text without the spaces around it; empty where it is none or too long."""
    text = value.strip() if isinstance(value, str) else ""
    return text if is_plain_text(text, most) else ""


def within(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)
