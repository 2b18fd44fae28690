"""Traits as people read them: the names of those that Segment's specification knows, their values typed, checked and cut."""

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

from config.foundation.labels import reader_locale
from customers.identity.traits import FIRST_BIRTHDAY
from customers.lifecycle.portrait.line import Form, Gap, listed

MOST_NAME = 60
MOST_TEXT = 160
MOST_YEARS = 130
LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_].*)?")

# by its name without capitals, spaces, hyphens and underscores
NAMES: dict[str, str | Promise] = {
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
GENDERS: dict[str, str | Promise] = {
    **dict.fromkeys(("male", "m", "man", "男"), gettext_lazy("male")),
    **dict.fromkeys(("female", "f", "w", "woman", "女"), gettext_lazy("female")),
    **dict.fromkeys(("other", "diverse", "divers", "x", "non-binary", "nonbinary"), gettext_lazy("another gender")),
}


class Read(NamedTuple):
    """A value in its form, and in words; a gap where it cannot be right."""

    form: Form
    value: Any
    words: str
    gap: str = ""


IMPLAUSIBLE = Gap.IMPLAUSIBLE.value


def plain_name(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def trait_name(name: str) -> str:
    """Translated where the specification knows it, else as the shop spells it."""
    return str(NAMES.get(plain_name(name), cut(name, MOST_NAME)))


def read_trait(name: str, value: Any, *, as_of: datetime, exact: bool) -> Read:
    """exact: else an age is told by its ten years."""
    reader = READERS.get(plain_name(name))
    return reader(value, as_of, exact) if reader else read_plain(value)


def read_plain(value: Any) -> Read:
    if isinstance(value, bool):
        return Read(Form.FLAG, value, _("yes") if value else _("no"))
    if isinstance(value, int | float):
        return Read(Form.NUMBER, value, number_format(value))
    text = cut(readable(value), MOST_TEXT)
    return Read(Form.TEXT, text, text)


def readable(value: Any) -> str:
    """Lists and objects in one line, as far down as they go."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {readable(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return listed([readable(inner) for inner in value])
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return "" if value is None else str(value)


def cut(text: str, most: int) -> str:
    """Without line breaks and control characters, at most so long."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def read_age(value: Any, as_of: datetime, exact: bool) -> Read:
    if isinstance(value, str) and value.strip().isdecimal() and value.strip().isascii():
        value = int(value.strip()[:5])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return read_plain(value)  # such as 45-54
    return (
        age_in_years(int(value), exact=exact) if 0 <= value <= MOST_YEARS else Read(Form.YEARS, None, "", IMPLAUSIBLE)
    )


def age_of(birthday: str, *, as_of: datetime, exact: bool) -> Read:
    """From an ISO date."""
    try:
        born = date.fromisoformat(birthday)
    except ValueError:
        return Read(Form.YEARS, None, "", IMPLAUSIBLE)
    today = localtime(as_of).date()
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if not (born >= FIRST_BIRTHDAY and 0 <= years <= MOST_YEARS):
        return Read(Form.YEARS, None, "", IMPLAUSIBLE)
    return age_in_years(years, exact=exact)


def age_in_years(years: int, *, exact: bool) -> Read:
    if exact:
        return Read(Form.YEARS, years, ngettext("%(n)s year", "%(n)s years", years) % {"n": years})
    low = years // 10 * 10
    words = _("%(low)s to %(high)s years") % {"low": low, "high": low + 9}
    return Read(Form.YEARS_RANGE, {"from": low, "to": low + 9}, words)


def read_birthday(birthday: str) -> Read:
    try:
        born = date.fromisoformat(birthday)
    except ValueError:
        return Read(Form.DATE, None, "", IMPLAUSIBLE)
    return Read(Form.DATE, born.isoformat(), date_format(born))


def read_gender(value: Any, as_of: datetime, exact: bool) -> Read:
    told = read_plain(value)
    known = GENDERS.get(str(value).strip().casefold())
    return told if known is None else Read(Form.TEXT, told.value, str(known))


def read_moment(value: Any, as_of: datetime, exact: bool) -> Read:
    """An ISO 8601 text, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000 if abs(value) >= 1e11 else value, UTC)
        else:
            return read_plain(value)
        words = date_format(localtime(moment), "DATE_FORMAT")
    except (ValueError, OverflowError, OSError):
        return Read(Form.MOMENT, None, "", IMPLAUSIBLE)
    return Read(Form.MOMENT, moment.isoformat(), words) if moment <= as_of else Read(Form.MOMENT, None, "", IMPLAUSIBLE)


def language_name(code: str) -> str:
    """In the reader's language; the code itself where it is none."""
    match = LANGUAGE.fullmatch(code.strip())
    found = Locale.parse(reader_locale()).languages.get(match[1].lower()) if match else None
    return found or cut(code, MOST_NAME)


def country_name(code: str) -> str:
    """In the reader's language where it is an ISO 3166 code."""
    return Locale.parse(reader_locale()).territories.get(code.strip().upper()) or cut(code, MOST_NAME)


READERS: dict[str, Callable[[Any, datetime, bool], Read]] = {
    "age": read_age,
    "gender": read_gender,
    "sex": read_gender,
    "createdat": read_moment,
}
