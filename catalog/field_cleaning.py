"""Turns values from outside into clean ones, or says which field is wrong, how, and what would be right."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import list_currencies
from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem

SHOWN_VALUE_LENGTH = 200
MAX_PRICE = Decimal("1e12")
MAX_INTEGER = 2**31 - 1
TRUE_WORDS = frozenset({"true", "1", "yes", "y", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "n", "off"})
# what PostgreSQL cannot store in a text: NUL and halves of surrogate pairs
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InvalidValueError(Exception):
    """A value that cannot be taken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


Cleaner = Callable[[Any], Any]


def clean_fields(
    item: Mapping[str, Any], cleaners: Mapping[str, Cleaner], required: frozenset[str]
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """The clean values of the known fields that ``item`` has, and everything that is wrong with it."""
    cleaned: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for field, value in item.items():
        cleaner = cleaners.get(field)
        if cleaner is None:
            message = _("Unknown field. Known are: %(names)s.") % {"names": ", ".join(cleaners)}
            problems.append(FieldProblem(shorten_value(field), "unknown_field", message, shorten_value(value)))
            continue
        try:
            cleaned[field] = cleaner(value)
        except InvalidValueError as error:
            problems.append(FieldProblem(field, error.code, error.message, shorten_value(value)))
    wrong = {problem.field for problem in problems}
    missing = [field for field in sorted(required - wrong) if cleaned.get(field) in (None, "")]
    problems.extend(FieldProblem(field, "required", _("This field is required.")) for field in missing)
    return cleaned, problems


def shorten_value(value: object) -> str:
    """A value as it may stand in a message or an error file: short, and storable."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return UNSTORABLE.sub("\ufffd", text[:SHOWN_VALUE_LENGTH])


def is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def clean_text(value: Any, max_length: int) -> str:
    """Text without blanks around it; numbers are taken as their digits, nothing as empty."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidValueError("not_text", _("%(value)s is not a text.") % {"value": repr(shorten_value(value))})
    text = str(value).strip()
    if len(text) > max_length:
        raise InvalidValueError(
            "too_long",
            _("Has %(length)d characters; at most %(most)d fit.") % {"length": len(text), "most": max_length},
        )
    if UNSTORABLE.search(text):
        raise InvalidValueError("bad_characters", _("Contains a NUL or half of a surrogate pair; remove it."))
    return text


def clean_id(value: Any, max_length: int) -> str:
    """An outside id: a text of one line."""
    text = clean_text(value, max_length)
    if not text.isprintable():
        raise InvalidValueError("bad_characters", _("An id has no line breaks or control characters."))
    return text


def clean_url(value: Any, max_length: int = 2000) -> str:
    text = clean_text(value, max_length)
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)
        _port = parts.port
    except ValueError:
        good = False
    if not good:
        raise InvalidValueError(
            "bad_url",
            _("%(value)s is not a web address; give one like https://shop.example/item.")
            % {"value": repr(shorten_value(text))},
        )
    return text


def clean_decimal(value: Any, *, places: int = 2) -> Decimal | None:
    """A finite decimal number with at most ``places`` decimals; nothing is None."""
    if is_empty(value):
        return None
    text = shorten_value(value).strip()
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = Decimal(text)
    except InvalidOperation as error:
        raise InvalidValueError(
            "not_a_number", _("%(value)s is not a number; give one like 19.90.") % {"value": repr(text)}
        ) from error
    if not number.is_finite():
        raise InvalidValueError(
            "not_a_number", _("%(value)s is not a number; give one like 19.90.") % {"value": repr(text)}
        )
    if abs(number) >= MAX_PRICE:
        raise InvalidValueError(
            "too_large", _("%(value)s is too large; at most 12 digits before the point.") % {"value": text}
        )
    rounded = number.quantize(Decimal(1).scaleb(-places))
    if rounded != number:
        raise InvalidValueError(
            "too_many_decimals", _("%(value)s has more than %(places)d decimals.") % {"value": text, "places": places}
        )
    return rounded


def clean_price(value: Any) -> Decimal | None:
    price = clean_decimal(value)
    if price is not None and price < 0:
        raise InvalidValueError("negative", _("%(value)s is negative; give 0 or more.") % {"value": str(price)})
    return price


@lru_cache(maxsize=1)
def get_known_currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def clean_currency(value: Any) -> str:
    code = clean_text(value, 20).upper()
    if code and code not in get_known_currencies():
        raise InvalidValueError(
            "unknown_currency",
            _("%(value)s is not a currency; give an ISO 4217 code such as EUR.") % {"value": repr(code)},
        )
    return code


def clean_integer(value: Any) -> int | None:
    if is_empty(value):
        return None
    number = clean_decimal(value, places=0)
    if number is None or abs(number) > MAX_INTEGER:
        raise InvalidValueError(
            "too_large", _("%(value)s is too large; at most 2147483647.") % {"value": shorten_value(value)}
        )
    return int(number)


def clean_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = shorten_value(value).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise InvalidValueError(
        "not_a_truth_value", _("%(value)s is neither true nor false.") % {"value": repr(shorten_value(value))}
    )


def clean_moment(value: Any) -> datetime | None:
    """An ISO 8601 date or time; without an offset it is UTC."""
    if is_empty(value):
        return None
    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(shorten_value(value).strip())
        except ValueError as error:
            raise InvalidValueError(
                "bad_time",
                _("%(value)s is not a time; give ISO 8601 such as 2026-05-17T09:30:00Z.")
                % {"value": repr(shorten_value(value))},
            ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidValueError(
            "bad_time", _("%(value)s is outside the calendar.") % {"value": repr(shorten_value(value))}
        ) from error


def clean_tags(value: Any) -> list[str]:
    """A list of texts, or one text with the tags joined by ``|``; each once, in their order."""
    if is_empty(value):
        return []
    parts = value.split("|") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise InvalidValueError("not_a_list", _("Give a list of texts, or one text with the tags joined by |."))
    return list(dict.fromkeys(tag for part in parts if (tag := clean_text(part, 100))))


def clean_attributes(value: Any) -> dict[str, Any]:
    """A JSON object, given as such or as its text."""
    if is_empty(value):
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=reject_json_constant)
        except ValueError as error:
            raise InvalidValueError("bad_json", _("Is not JSON: %(reason)s") % {"reason": str(error)}) from error
    if not isinstance(value, dict):
        raise InvalidValueError("not_an_object", _('Give a JSON object such as {"color": "blue"}.'))
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError as error:
        raise InvalidValueError("bad_json", _("Is not JSON: %(reason)s") % {"reason": str(error)}) from error
    if len(text) > 100_000:
        raise InvalidValueError(
            "too_long", _("Has %(length)d characters; at most %(most)d fit.") % {"length": len(text), "most": 100_000}
        )
    if UNSTORABLE.search(text) or "\\u0000" in text:
        raise InvalidValueError("bad_characters", _("Contains a NUL or half of a surrogate pair; remove it."))
    return value


def reject_json_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
