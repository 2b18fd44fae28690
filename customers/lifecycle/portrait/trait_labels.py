"""Labels and formatted values of traits; the names are those of Segment's specification."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from babel import Locale
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from config.foundation.number_formats import get_reader_locale
from customers.identity.traits import MIN_BIRTHDAY
from customers.lifecycle.portrait.line import MissingReason, ValueFormat, join_list

MAX_NAME_LENGTH = 60
MAX_TEXT_LENGTH = 160
MAX_AGE = 130
LANGUAGE_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_].*)?")

# The keys are normalized as by `normalize_trait_name`.
TRAIT_LABELS: dict[str, str | Promise] = {
    "age": pgettext_lazy("person", "age"),
    "gender": gettext_lazy("gender"),
    "sex": gettext_lazy("gender"),
    "title": pgettext_lazy("person", "title"),
    "company": gettext_lazy("company"),
    "company.name": gettext_lazy("company"),
    "company.industry": gettext_lazy("industry"),
    "company.employeecount": gettext_lazy("employees of the company"),
    "company.plan": gettext_lazy("plan of the company"),
    "industry": gettext_lazy("industry"),
    "plan": gettext_lazy("plan"),
    "website": gettext_lazy("website"),
    "description": gettext_lazy("description"),
    "createdat": gettext_lazy("registered at"),
    "username": gettext_lazy("user name"),
    "avatar": gettext_lazy("avatar"),
    "address": gettext_lazy("address"),
    "address.city": gettext_lazy("city"),
    "address.street": gettext_lazy("street"),
    "address.state": gettext_lazy("state or province"),
    "address.postalcode": gettext_lazy("postal code"),
    "city": gettext_lazy("city"),
    "timezone": gettext_lazy("time zone"),
    "income": gettext_lazy("income"),
    "householdsize": gettext_lazy("household size"),
    "maritalstatus": gettext_lazy("marital status"),
    "homeownership": gettext_lazy("home ownership"),
    "kidscount": gettext_lazy("number of children"),
    "householdcomp": gettext_lazy("household"),
}
GENDER_LABELS: dict[str, str | Promise] = {
    **dict.fromkeys(("male", "m", "man", "男"), gettext_lazy("male")),
    **dict.fromkeys(("female", "f", "w", "woman", "女"), gettext_lazy("female")),
    **dict.fromkeys(("other", "diverse", "divers", "x", "non-binary", "nonbinary"), gettext_lazy("another gender")),
}


class FormattedValue(NamedTuple):
    """A value in its format and as text; `missing` if it is implausible."""

    format: ValueFormat
    value: Any
    text: str
    missing: str = ""


IMPLAUSIBLE = MissingReason.IMPLAUSIBLE.value


def normalize_trait_name(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def get_trait_label(name: str) -> str:
    """Return the translated name of a standard trait, or the name that the shop uses."""
    return str(TRAIT_LABELS.get(normalize_trait_name(name), truncate_text(name, MAX_NAME_LENGTH)))


def format_trait(name: str, value: Any, *, as_of: datetime, exact: bool) -> FormattedValue:
    """Format a trait. exact: show the exact age instead of a range of ten years."""
    formatter = FORMATTERS.get(normalize_trait_name(name))
    return formatter(value, as_of, exact) if formatter else format_plain(value)


def format_plain(value: Any) -> FormattedValue:
    if isinstance(value, bool):
        return FormattedValue(ValueFormat.FLAG, value, _("yes") if value else _("no"))
    if isinstance(value, int | float):
        return FormattedValue(ValueFormat.NUMBER, value, number_format(value))
    text = truncate_text(to_text(value), MAX_TEXT_LENGTH)
    return FormattedValue(ValueFormat.TEXT, text, text)


def to_text(value: Any) -> str:
    """Return lists and objects as one line, at any depth."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {to_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return join_list([to_text(inner) for inner in value])
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return "" if value is None else str(value)


def truncate_text(text: str, max_length: int) -> str:
    """Return a text without line breaks and control characters, truncated to a maximum length."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def format_age_trait(value: Any, as_of: datetime, exact: bool) -> FormattedValue:
    if isinstance(value, str) and value.strip().isdecimal() and value.strip().isascii():
        value = int(value.strip()[:5])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return format_plain(value)  # such as 45-54
    return (
        format_years(int(value), exact=exact)
        if 0 <= value <= MAX_AGE
        else FormattedValue(ValueFormat.YEARS, None, "", IMPLAUSIBLE)
    )


def format_age_from_birthday(birthday: str, *, as_of: datetime, exact: bool) -> FormattedValue:
    """Return the age from an ISO date of birth."""
    try:
        born = date.fromisoformat(birthday)
    except ValueError:
        return FormattedValue(ValueFormat.YEARS, None, "", IMPLAUSIBLE)
    today = localtime(as_of).date()
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if not (born >= MIN_BIRTHDAY and 0 <= years <= MAX_AGE):
        return FormattedValue(ValueFormat.YEARS, None, "", IMPLAUSIBLE)
    return format_years(years, exact=exact)


def format_years(years: int, *, exact: bool) -> FormattedValue:
    if exact:
        return FormattedValue(ValueFormat.YEARS, years, ngettext("%(n)s year", "%(n)s years", years) % {"n": years})
    low = years // 10 * 10
    text = _("%(low)s to %(high)s years") % {"low": low, "high": low + 9}
    return FormattedValue(ValueFormat.YEARS_RANGE, {"from": low, "to": low + 9}, text)


def format_birthday(birthday: str) -> FormattedValue:
    try:
        born = date.fromisoformat(birthday)
    except ValueError:
        return FormattedValue(ValueFormat.DATE, None, "", IMPLAUSIBLE)
    return FormattedValue(ValueFormat.DATE, born.isoformat(), date_format(born))


def format_gender(value: Any, as_of: datetime, exact: bool) -> FormattedValue:
    plain = format_plain(value)
    label = GENDER_LABELS.get(str(value).strip().casefold())
    return plain if label is None else FormattedValue(ValueFormat.TEXT, plain.value, str(label))


def format_moment(value: Any, as_of: datetime, exact: bool) -> FormattedValue:
    """Format an ISO 8601 text, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000 if abs(value) >= 1e11 else value, UTC)
        else:
            return format_plain(value)
        text = date_format(localtime(moment), "DATE_FORMAT")
    except (ValueError, OverflowError, OSError):
        return FormattedValue(ValueFormat.MOMENT, None, "", IMPLAUSIBLE)
    return (
        FormattedValue(ValueFormat.MOMENT, moment.isoformat(), text)
        if moment <= as_of
        else FormattedValue(ValueFormat.MOMENT, None, "", IMPLAUSIBLE)
    )


def get_language_name(code: str) -> str:
    """Return the language name in the reader's language, or the code if it is unknown."""
    match = LANGUAGE_TAG.fullmatch(code.strip())
    name = Locale.parse(get_reader_locale()).languages.get(match[1].lower()) if match else None
    return name or truncate_text(code, MAX_NAME_LENGTH)


def get_country_name(code: str) -> str:
    """Return the country name in the reader's language, or the code if it is not ISO 3166."""
    return Locale.parse(get_reader_locale()).territories.get(code.strip().upper()) or truncate_text(
        code, MAX_NAME_LENGTH
    )


FORMATTERS: dict[str, Callable[[Any, datetime, bool], FormattedValue]] = {
    "age": format_age_trait,
    "gender": format_gender,
    "sex": format_gender,
    "createdat": format_moment,
}
