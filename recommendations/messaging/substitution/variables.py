"""Variables of messages: `{{ customer.name|default:"there" }}`. They are looked up and formatted, never executed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from html import unescape
from typing import Any

from babel import dates, numbers
from django.utils.translation import gettext as _

from config.foundation.shop.profile import get_time_zone
from customers.identity.personal_data.chinese_names import build_salutation
from recommendations.messaging.substitution.context import RenderContext
from recommendations.messaging.substitution.loyalty_fields import choose_text
from recommendations.messaging.substitution.recipients import PERSONAL_FIELDS, PROFILE_FIELDS

VARIABLE = re.compile(r"\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*+)\}\}")
CURRENCY = re.compile(r"[A-Za-z]{3}")
EXPRESSION = re.compile(r"\s*([\w][\w.\-]*)\s*((?:\|\s*\w+\s*(?::\s*(?:\"[^\"]*\"|'[^']*'|-?\d+))?\s*)*)")
FILTER = re.compile(r"\|\s*(\w+)\s*(?::\s*(?:\"([^\"]*)\"|'([^']*)'|(-?\d+)))?\s*")
CUSTOMER_NAMES = (
    "name",
    "first_name",
    "salutation",
    "user_id",
    "email",
    "phone",
    "birthday",
    "language",
    "country",
    *PROFILE_FIELDS,
)
GENDER_TRAITS = ("gender", "sex", "性别", "称谓", "title")
SHOP_NAMES = ("name", "color", "postal_address", "reply_to", "currency", "logo_url")
SURVEY_LINKS = {"survey_nps": "nps", "survey_csat": "csat"}
LINK_NAMES = ("unsubscribe", "preferences", "view_in_browser", *SURVEY_LINKS)
ROOTS = ("customer", "event", "shop", "coupon", "links")


class VariableError(ValueError):
    """A variable that is unknown or not well formed; the message names the fix."""


@dataclass(frozen=True)
class Variable:
    """A path such as ("customer", "name") and its filters with their arguments."""

    path: tuple[str, ...]
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def has_default(self) -> bool:
        return any(name == "default" for name, _argument in self.filters)

    @property
    def field(self) -> str:
        """The recipient field that the variable needs, or ""."""
        if self.path[0] != "customer":
            return ""
        return "name" if self.path[1] in ("first_name", "salutation") else self.path[1]

    @property
    def fields(self) -> tuple[str, ...]:
        """All recipient fields that the variable needs."""
        return (
            (self.field, "traits") if self.path == ("customer", "salutation") else (self.field,) if self.field else ()
        )


def parse_variable(text: str) -> Variable:
    """Return the variable between the braces. Errors: VariableError."""
    match = EXPRESSION.fullmatch(unescape(text))  # in attributes, quotes are written &quot;
    if match is None:
        raise VariableError(
            _('“{{%(text)s}}” is not a variable. Write it like {{ customer.name|default:"there" }}.') % {"text": text}
        )
    filters = tuple(
        (name, double or single or number or "") for name, double, single, number in FILTER.findall(match[2])
    )
    variable = Variable(tuple(match[1].split(".")), filters)
    check_path(variable)
    check_filters(variable)
    return variable


def check_path(variable: Variable) -> None:
    """Raise VariableError for a path that no message has."""
    root, names = variable.path[0], variable.path[1:]
    known = {"customer": (*CUSTOMER_NAMES, "traits"), "shop": SHOP_NAMES, "links": LINK_NAMES}.get(root)
    if root not in ROOTS or not all(variable.path):
        raise VariableError(_describe_unknown(variable.name, [f"{name}." for name in ROOTS]))
    if not names or (root == "coupon" and len(names) > 1):
        raise VariableError(
            _("“%(name)s” is not complete. Write for example %(example)s.")
            % {"name": variable.name, "example": f"{root}.name"}
        )
    if known is not None and names[0] not in known:
        raise VariableError(_describe_unknown(variable.name, [f"{root}.{name}" for name in known]))
    if root == "customer" and names[0] == "traits" and len(names) < 2:
        raise VariableError(_("“customer.traits” needs the name of a trait, such as customer.traits.size."))


def check_filters(variable: Variable) -> None:
    """Raise VariableError for a filter that does not exist, or that cannot apply its argument."""
    for name, argument in variable.filters:
        if name not in FILTERS:
            raise VariableError(
                _("Unknown filter “%(name)s”; valid: %(valid)s.") % {"name": name, "valid": ", ".join(sorted(FILTERS))}
            )
        if name == "date" and not _is_date_pattern(argument):
            example = {"pattern": argument, "example": 'date:"d MMM yyyy"'}
            raise VariableError(
                _("“%(pattern)s” is not a pattern of a date without a time of day. Write for example %(example)s.")
                % example
            )
        if name == "truncate" and not _is_number(argument):
            raise VariableError(
                _("“%(argument)s” is not a number of characters. Write for example %(example)s.")
                % {"argument": argument, "example": "truncate:40"}
            )


def _is_date_pattern(pattern: str) -> bool:
    try:
        dates.format_date(date(2000, 1, 1), format=pattern or "long", locale="en")
    except (AttributeError, LookupError, ValueError):  # a time of day, or a field that does not exist
        return False
    return True


def _is_number(argument: str) -> bool:
    try:
        int(argument or 80)
    except ValueError:
        return False
    return True


def _describe_unknown(name: str, valid: list[str]) -> str:
    close = get_close_matches(name, valid, n=1)
    if close:
        return _("Unknown variable “%(name)s”. Did you mean “%(close)s”?") % {"name": name, "close": close[0]}
    return _("Unknown variable “%(name)s”; valid: %(valid)s.") % {"name": name, "valid": ", ".join(valid)}


def build_getter(variable: Variable) -> Callable[[RenderContext], str]:
    """Return the function that returns the variable's text for a recipient."""
    read = _build_reader(variable.path)
    filters = [(FILTERS[name], argument) for name, argument in variable.filters]

    def get_text(context: RenderContext) -> str:
        value = read(context)
        for apply, argument in filters:
            if apply is _format_money and not argument:
                argument = find_event_currency(variable.path, context)
            value = apply(value, argument, context)
        return format_value(value, context)

    return get_text


def find_event_currency(path: tuple[str, ...], context: RenderContext) -> str:
    """Return the currency beside an amount of the event, such as that of the product with the price; empty without one."""
    if path[0] != "event":
        return ""
    currency = read_path(context.recipient.event, (*path[1:-1], "currency"))
    return currency.upper() if isinstance(currency, str) and CURRENCY.fullmatch(currency) else ""


def _build_reader(path: tuple[str, ...]) -> Callable[[RenderContext], Any]:
    root, names = path[0], path[1:]
    if root == "event":
        return lambda context: read_path(context.recipient.event, names)
    if root == "coupon":
        return lambda context: context.choices.coupons.get(names[0], "")
    if root == "shop":
        return lambda context: context.shop_values[names[0]]
    if root == "links" and names[0] in SURVEY_LINKS:
        return lambda context: build_survey_link(context, SURVEY_LINKS[names[0]])
    if root == "links":
        return lambda context: getattr(context.links, names[0])()
    if names[0] == "first_name":
        return lambda context: get_first_name(context.recipient.name)
    if names[0] == "salutation":
        return lambda context: build_salutation(context.recipient.name, read_gender(context.recipient.traits))
    if names[0] == "traits":
        return lambda context: read_path(context.recipient.traits, names[1:])
    if names[0] in PROFILE_FIELDS or (names[0] in PERSONAL_FIELDS and names[0] == "birthday"):
        return lambda context: choose_text(context.recipient.fields.get(names[0]), context.language)
    return lambda context: getattr(context.recipient, names[0])


def build_survey_link(context: RenderContext, kind: str) -> str:
    """Return the link to a survey about the order that triggered the message, or about no particular order."""
    order_id = context.recipient.event.get("order_id")
    return context.links.survey(
        kind,
        customer_id=context.recipient.customer_id,
        order_id=order_id if isinstance(order_id, str) else "",
        language=context.language,
    )


def read_path(value: Any, names: tuple[str, ...]) -> Any:
    """Return the value below the keys or list positions; None if it is missing."""
    for name in names:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and len(name) < 10 and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def get_first_name(name: str) -> str:
    """Return the first word of a name; Chinese names, which have no spaces, as a whole."""
    return name.split()[0] if name.split() else ""


def read_gender(traits: Mapping[str, Any]) -> Any:
    """Return the gender among traits, as the shop spells it."""
    return next((traits[name] for name in GENDER_TRAITS if traits.get(name)), None)


def format_value(value: Any, context: RenderContext) -> str:
    """Return a value as text: a list as its elements, a time as its day, a missing value as an empty text."""
    if value is None or value is False:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return format_shop_day(value, "long", context)
    if isinstance(value, float | Decimal):
        try:
            return numbers.format_decimal(value, locale=context.locale)
        except InvalidOperation:  # more digits than decimals have
            return str(value)
    if isinstance(value, list):
        return ", ".join(
            format_value(element, context) for element in value[:10] if not isinstance(element, dict | list)
        )
    return "" if isinstance(value, dict) else str(value)


def _apply_default(value: Any, argument: str, context: RenderContext) -> Any:
    return value if format_value(value, context).strip() else argument


def _format_date(value: Any, argument: str, context: RenderContext) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value or " " in value else date.fromisoformat(value)
        except ValueError:
            return value
    if not isinstance(value, date):
        return format_value(value, context)
    return format_shop_day(value, argument or "long", context)


def format_shop_day(value: date, pattern: str, context: RenderContext) -> str:
    """Return a date; for a time with an offset, the day in the shop's time zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(get_time_zone())
    return dates.format_date(value, format=pattern, locale=context.locale)


def _format_money(value: Any, argument: str, context: RenderContext) -> str:
    try:
        amount = Decimal(str(value))
        return numbers.format_currency(amount, argument or context.shop.currency, locale=context.locale)
    except InvalidOperation:  # no number, or one with more digits than decimals have
        return format_value(value, context)


FILTERS: dict[str, Callable[[Any, str, RenderContext], Any]] = {
    "default": _apply_default,
    "date": _format_date,
    "money": _format_money,
    "upper": lambda value, _argument, context: format_value(value, context).upper(),
    "lower": lambda value, _argument, context: format_value(value, context).lower(),
    "capitalize": lambda value, _argument, context: format_value(value, context).capitalize(),
    "truncate": lambda value, argument, context: truncate_text(format_value(value, context), int(argument or 80)),
}


def truncate_text(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: max(length - 1, 0)].rstrip()}…"
