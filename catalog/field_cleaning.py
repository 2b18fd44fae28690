"""Cleans and validates field values from feeds and requests; every error names the problem and the fix."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem
from config.foundation.currencies import get_known_currencies
from config.foundation.json_nesting import load_json

SHOWN_VALUE_LENGTH = 200
MAX_PRICE = Decimal("1e12")
MAX_INTEGER = 2**31 - 1
TRUE_WORDS = frozenset({"true", "1", "yes", "y", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "n", "off"})
# characters that PostgreSQL cannot store in a text: NUL and unpaired surrogates
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InvalidValueError(Exception):
    """A value that is not valid; ``code`` is stable, ``message`` is shown to users."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


Cleaner = Callable[[Any], Any]


def clean_fields(
    item: Mapping[str, Any], cleaners: Mapping[str, Cleaner], required: frozenset[str]
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return the clean values of the item's known fields and all its problems."""
    cleaned: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for field, value in item.items():
        cleaner = cleaners.get(field)
        if cleaner is None:
            message = _("Unknown field; valid: %(names)s.") % {"names": ", ".join(cleaners)}
            problems.append(FieldProblem(shorten_value(field), "unknown_field", message, shorten_value(value)))
            continue
        try:
            cleaned[field] = cleaner(value)
        except InvalidValueError as error:
            problems.append(FieldProblem(field, error.code, error.message, shorten_value(value)))
    invalid_fields = {problem.field for problem in problems}
    missing = [field for field in sorted(required - invalid_fields) if cleaned.get(field) in (None, "")]
    problems.extend(FieldProblem(field, "required", _("This field is required.")) for field in missing)
    return cleaned, problems


def shorten_value(value: object) -> str:
    """Return a value as a short text that can be stored, for messages and error files."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return UNSTORABLE.sub("\ufffd", text[:SHOWN_VALUE_LENGTH])


def is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def clean_text(value: Any, max_length: int) -> str:
    """Return the text without surrounding spaces.

    A number becomes its digits; None becomes an empty text.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidValueError("not_text", _("%(value)s is not a string.") % {"value": repr(shorten_value(value))})
    text = str(value).strip()
    if len(text) > max_length:
        raise InvalidValueError(
            "too_long",
            _("The value has %(length)d characters; the maximum is %(most)d.")
            % {"length": len(text), "most": max_length},
        )
    if UNSTORABLE.search(text):
        raise InvalidValueError(
            "bad_characters", _("The value contains a NUL character or an unpaired surrogate; remove it.")
        )
    return text


def clean_id(value: Any, max_length: int) -> str:
    """Return an external id: a text of one line."""
    text = clean_text(value, max_length)
    if not text.isprintable():
        raise InvalidValueError("bad_characters", _("The ID contains a line break or a control character; remove it."))
    return text


def clean_url(value: Any, max_length: int = 2000) -> str:
    text = clean_text(value, max_length)
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)
        _port = parts.port  # urlsplit checks the port only when it is read
    except ValueError:
        is_valid = False
    if not is_valid:
        raise InvalidValueError(
            "bad_url",
            _("%(value)s is not a valid URL; use a format like https://shop.example/item.")
            % {"value": repr(shorten_value(text))},
        )
    return text


def clean_decimal(value: Any, *, places: int = 2) -> Decimal | None:
    """Return a finite decimal number with at most ``places`` decimals; None for an empty value."""
    if is_empty(value):
        return None
    text = shorten_value(value).strip()
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = Decimal(text)
    except InvalidOperation as error:
        raise InvalidValueError(
            "not_a_number", _("%(value)s is not a number; use a format like 19.90.") % {"value": repr(text)}
        ) from error
    if not number.is_finite():
        raise InvalidValueError(
            "not_a_number", _("%(value)s is not a number; use a format like 19.90.") % {"value": repr(text)}
        )
    if abs(number) >= MAX_PRICE:
        raise InvalidValueError(
            "too_large",
            _("%(value)s is too large; the maximum is 12 digits before the decimal point.") % {"value": text},
        )
    rounded = number.quantize(Decimal(1).scaleb(-places))
    if rounded != number:
        raise InvalidValueError(
            "too_many_decimals",
            _("%(value)s has too many decimals; the maximum is %(places)d.") % {"value": text, "places": places},
        )
    return rounded


def clean_price(value: Any) -> Decimal | None:
    price = clean_decimal(value)
    if price is not None and price < 0:
        raise InvalidValueError("negative", _("%(value)s is negative; use 0 or more.") % {"value": str(price)})
    return price


def clean_currency(value: Any) -> str:
    code = clean_text(value, 20).upper()
    if code and code not in get_known_currencies():
        raise InvalidValueError(
            "unknown_currency",
            _("Unknown currency %(value)s; use an ISO 4217 code such as EUR.") % {"value": repr(code)},
        )
    return code


def clean_integer(value: Any) -> int | None:
    if is_empty(value):
        return None
    number = clean_decimal(value, places=0)
    if number is None or abs(number) > MAX_INTEGER:
        raise InvalidValueError(
            "too_large", _("%(value)s is too large; the maximum is 2147483647.") % {"value": shorten_value(value)}
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
        "not_a_boolean", _("%(value)s is not a boolean; use true or false.") % {"value": repr(shorten_value(value))}
    )


def clean_moment(value: Any) -> datetime | None:
    """Return a moment in UTC from an ISO 8601 date or time; without an offset it is UTC."""
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
                _("%(value)s is not a valid time; use ISO 8601, such as 2026-05-17T09:30:00Z.")
                % {"value": repr(shorten_value(value))},
            ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidValueError(
            "bad_time",
            _("%(value)s is not a valid time; the year must be between 1 and 9999.")
            % {"value": repr(shorten_value(value))},
        ) from error


def clean_tags(value: Any) -> list[str]:
    """Return the distinct tags of a list, or of one text with ``|`` between the tags, in order."""
    if is_empty(value):
        return []
    parts = value.split("|") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise InvalidValueError(
            "not_a_list", _("Tags must be a list of strings, or one string with the tags separated by |.")
        )
    return list(dict.fromkeys(tag for part in parts if (tag := clean_text(part, 100))))


def clean_attributes(value: Any) -> dict[str, Any]:
    """Return the attributes, given as an object or as JSON text."""
    if is_empty(value):
        return {}
    if isinstance(value, str):
        try:
            value = load_json(value, parse_constant=reject_json_constant)
        except ValueError as error:
            raise InvalidValueError(
                "bad_json", _("The value is not valid JSON: %(reason)s") % {"reason": str(error)}
            ) from error
    if not isinstance(value, dict):
        raise InvalidValueError("not_an_object", _('The value must be a JSON object, such as {"color": "blue"}.'))
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError as error:
        raise InvalidValueError(
            "bad_json", _("The value is not valid JSON: %(reason)s") % {"reason": str(error)}
        ) from error
    if len(text) > 100_000:
        raise InvalidValueError(
            "too_long",
            _("The value has %(length)d characters; the maximum is %(most)d.") % {"length": len(text), "most": 100_000},
        )
    if UNSTORABLE.search(text) or "\\u0000" in text:
        raise InvalidValueError(
            "bad_characters", _("The value contains a NUL character or an unpaired surrogate; remove it.")
        )
    return value


def reject_json_constant(name: str) -> float:
    raise ValueError(f"{name} is not valid JSON")
