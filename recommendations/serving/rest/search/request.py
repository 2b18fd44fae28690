"""What is asked for, from the parameters of an address; every wrong one is named with what would be right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from django.utils.translation import get_language
from django.utils.translation import gettext as _

LONGEST_QUERY = 200
MOST_PER_PAGE = 100
PER_PAGE = 20
MOST_PRODUCTS, MOST_ATTRIBUTES = 1000, 20
LONGEST_ID, LONGEST_PATH, LONGEST_CURSOR, LONGEST_LIST = 255, 1000, 200, 50_000
MOST_PRICE = Decimal(10) ** 12
ATTRIBUTE = "attributes."
YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Sort(StrEnum):
    RELEVANCE = "relevance"
    CHEAPEST = "price"
    DEAREST = "-price"
    NEWEST = "newest"


class WrongSearchError(Exception):
    """A search that no answer fits: the wrong fields, each with what would be right."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class SearchRequest:
    """``category`` is a path and includes what lies below it; an empty ``q`` finds everything; ``language`` is that of the reader."""

    q: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    category: str = ""
    brand: str = ""
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool = True
    attributes: Mapping[str, str] = field(default_factory=dict)
    product_ids: tuple[str, ...] = ()
    n: int = PER_PAGE
    cursor: str = ""
    personalised: bool = True
    sort: Sort = Sort.RELEVANCE
    facets: bool = True
    explain: bool = True
    strict: bool = False
    language: str = ""

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        pairs = (("user_id", self.user_id), ("anonymous_id", self.anonymous_id))
        return [(kind, value) for kind, value in pairs if value]


class _WrongValueError(Exception):
    """One wrong value, with what would be right."""


def parse(params: Mapping[str, str], *, language: str | None = None) -> SearchRequest:
    """What the parameters ask for; unknown ones mean nothing, empty ones as much as none. language: by default the thread's.

    Raises:
        WrongSearchError: names every field that is wrong.
    """
    errors: dict[str, str] = {}

    def taken[T](name: str, read: Callable[[str], T], default: T) -> T:
        text = params.get(name, "")
        if text == "":
            return default
        try:
            return read(text)
        except _WrongValueError as error:
            errors[name] = str(error)
            return default

    request = SearchRequest(
        q=taken("q", query, ""),
        user_id=taken("user_id", text_up_to(LONGEST_ID), ""),
        anonymous_id=taken("anonymous_id", text_up_to(LONGEST_ID), ""),
        category=taken("category", text_up_to(LONGEST_PATH), ""),
        brand=taken("brand", text_up_to(LONGEST_ID), ""),
        price_min=taken("price_min", price, None),
        price_max=taken("price_max", price, None),
        in_stock=taken("in_stock", truth, True),
        attributes=attributes_of(params, errors),
        product_ids=taken("product_ids", ids, ()),
        n=taken("n", number, PER_PAGE),
        cursor=taken("cursor", text_up_to(LONGEST_CURSOR), ""),
        personalised=taken("personalised", truth, True),
        sort=taken("sort", sort_order, Sort.RELEVANCE),
        facets=taken("facets", truth, True),
        explain=taken("explain", truth, True),
        strict=taken("strict", truth, False),
        language=language if language is not None else get_language() or "",
    )
    if request.price_min is not None and request.price_max is not None and request.price_min > request.price_max:
        errors["price_min"] = _("%(low)s is above price_max %(high)s.") % {
            "low": request.price_min,
            "high": request.price_max,
        }
    if errors:
        raise WrongSearchError(errors)
    return request


def attributes_of(params: Mapping[str, str], errors: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in params.items():
        if name.startswith(ATTRIBUTE) and len(name) > len(ATTRIBUTE) and value:
            try:
                found[name.removeprefix(ATTRIBUTE)] = text_up_to(LONGEST_ID)(value)
            except _WrongValueError as error:
                errors[shown(name)] = str(error)
    if len(found) > MOST_ATTRIBUTES:
        errors["attributes"] = _("There are %(count)d; give at most %(most)d.") % {
            "count": len(found),
            "most": MOST_ATTRIBUTES,
        }
    return found


def query(text: str) -> str:
    """Longer than 200 characters no query is meant; a text that was pasted by mistake is better told than searched."""
    return text_up_to(LONGEST_QUERY)(text).strip()


def text_up_to(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > most:
            raise _WrongValueError(
                _("Has %(length)d characters; give at most %(most)d.") % {"length": len(text), "most": most}
            )
        if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _WrongValueError(_("Contains a NUL or half of a surrogate pair; remove it."))
        return text

    return read


def ids(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text_up_to(LONGEST_LIST)(text).split(",") if part.strip()))
    if len(found) > MOST_PRODUCTS:
        raise _WrongValueError(
            _("There are %(count)d; give at most %(most)d.") % {"count": len(found), "most": MOST_PRODUCTS}
        )
    return found


def price(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise _WrongValueError(
            _("%(value)s is no price; give a number such as 19.90.") % {"value": shown(text)}
        ) from error
    if not value.is_finite() or not 0 <= value < MOST_PRICE:
        raise _WrongValueError(
            _("%(value)s is no price; give a number from 0 to 999999999999.") % {"value": shown(text)}
        )
    return value


def number(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise _WrongValueError(
            _("%(value)s is no whole number; give 1 to %(most)d.") % {"value": shown(text), "most": MOST_PER_PAGE}
        ) from error
    if not 1 <= value <= MOST_PER_PAGE:
        raise _WrongValueError(
            _("%(value)s is out of range; give 1 to %(most)d.") % {"value": shown(text), "most": MOST_PER_PAGE}
        )
    return value


def truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*YES, *NO):
        raise _WrongValueError(_("%(value)s is neither true nor false.") % {"value": shown(text)})
    return word in YES


def sort_order(text: str) -> Sort:
    try:
        return Sort(text)
    except ValueError as error:
        raise _WrongValueError(
            _("There is no order %(value)s; give one of %(orders)s.")
            % {"value": shown(text), "orders": ", ".join(Sort)}
        ) from error


def shown(text: str) -> str:
    """A value as it may stand in a message."""
    return repr(text if len(text) <= 50 else f"{text[:50]}…")
