"""The search request and its parser; every invalid parameter is reported with what is valid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from django.utils.translation import get_language
from django.utils.translation import gettext as _

MAX_QUERY_LENGTH = 200
MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 20
MAX_PRODUCT_IDS, MAX_ATTRIBUTES = 1000, 20
MAX_ID_LENGTH, MAX_PATH_LENGTH, MAX_CURSOR_LENGTH, MAX_LIST_LENGTH = 255, 1000, 200, 50_000
MAX_PRICE = Decimal(10) ** 12
ATTRIBUTE_PREFIX = "attributes."
TRUE_WORDS, FALSE_WORDS = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class SearchSort(StrEnum):
    RELEVANCE = "relevance"
    CHEAPEST = "price"
    DEAREST = "-price"
    NEWEST = "newest"


class InvalidSearchError(Exception):
    """A search with invalid parameters, each with what is valid."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class SearchRequest:
    """A parsed search. ``category`` includes its subcategories; an empty ``q`` matches everything; ``language`` is the reader's."""

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
    n: int = DEFAULT_PAGE_SIZE
    cursor: str = ""
    personalised: bool = True
    sort: SearchSort = SearchSort.RELEVANCE
    facets: bool = True
    explain: bool = True
    strict: bool = False
    language: str = ""

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        pairs = (("user_id", self.user_id), ("anonymous_id", self.anonymous_id))
        return [(kind, value) for kind, value in pairs if value]


class _InvalidValueError(Exception):
    """One invalid value, with what is valid."""


def parse_search_request(params: Mapping[str, str], *, language: str | None = None) -> SearchRequest:
    """Parse query parameters; unknown and empty ones are ignored. language: the active language by default.

    Raises:
        InvalidSearchError: names every invalid parameter.
    """
    errors: dict[str, str] = {}

    def taken[T](name: str, read: Callable[[str], T], default: T) -> T:
        text = params.get(name, "")
        if text == "":
            return default
        try:
            return read(text)
        except _InvalidValueError as error:
            errors[name] = str(error)
            return default

    request = SearchRequest(
        q=taken("q", parse_query, ""),
        user_id=taken("user_id", parse_text(MAX_ID_LENGTH), ""),
        anonymous_id=taken("anonymous_id", parse_text(MAX_ID_LENGTH), ""),
        category=taken("category", parse_text(MAX_PATH_LENGTH), ""),
        brand=taken("brand", parse_text(MAX_ID_LENGTH), ""),
        price_min=taken("price_min", parse_price, None),
        price_max=taken("price_max", parse_price, None),
        in_stock=taken("in_stock", parse_boolean, True),
        attributes=parse_attributes(params, errors),
        product_ids=taken("product_ids", parse_ids, ()),
        n=taken("n", parse_page_size, DEFAULT_PAGE_SIZE),
        cursor=taken("cursor", parse_text(MAX_CURSOR_LENGTH), ""),
        personalised=taken("personalised", parse_boolean, True),
        sort=taken("sort", parse_sort, SearchSort.RELEVANCE),
        facets=taken("facets", parse_boolean, True),
        explain=taken("explain", parse_boolean, True),
        strict=taken("strict", parse_boolean, False),
        language=language if language is not None else get_language() or "",
    )
    if request.price_min is not None and request.price_max is not None and request.price_min > request.price_max:
        errors["price_min"] = _("%(low)s is greater than price_max %(high)s.") % {
            "low": request.price_min,
            "high": request.price_max,
        }
    if errors:
        raise InvalidSearchError(errors)
    return request


def parse_attributes(params: Mapping[str, str], errors: dict[str, str]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in params.items():
        if name.startswith(ATTRIBUTE_PREFIX) and len(name) > len(ATTRIBUTE_PREFIX) and value:
            try:
                attributes[name.removeprefix(ATTRIBUTE_PREFIX)] = parse_text(MAX_ID_LENGTH)(value)
            except _InvalidValueError as error:
                errors[quote_value(name)] = str(error)
    if len(attributes) > MAX_ATTRIBUTES:
        errors["attributes"] = _("Too many values: %(count)d; at most %(most)d are allowed.") % {
            "count": len(attributes),
            "most": MAX_ATTRIBUTES,
        }
    return attributes


def parse_query(text: str) -> str:
    """Parse the query; longer texts were probably pasted by mistake, so they are an error."""
    return parse_text(MAX_QUERY_LENGTH)(text).strip()


def parse_text(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > most:
            raise _InvalidValueError(
                _("Too long: %(length)d characters; at most %(most)d are allowed.")
                % {"length": len(text), "most": most}
            )
        if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _InvalidValueError(_("Contains a NUL character or an unpaired surrogate; remove it."))
        return text

    return read


def parse_ids(text: str) -> tuple[str, ...]:
    product_ids = tuple(
        dict.fromkeys(part.strip() for part in parse_text(MAX_LIST_LENGTH)(text).split(",") if part.strip())
    )
    if len(product_ids) > MAX_PRODUCT_IDS:
        raise _InvalidValueError(
            _("Too many values: %(count)d; at most %(most)d are allowed.")
            % {"count": len(product_ids), "most": MAX_PRODUCT_IDS}
        )
    return product_ids


def parse_price(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise _InvalidValueError(
            _("%(value)s is not a valid price (e.g. 19.90).") % {"value": quote_value(text)}
        ) from error
    if not value.is_finite() or not 0 <= value < MAX_PRICE:
        raise _InvalidValueError(
            _("%(value)s is out of range; valid: 0 to 999999999999.") % {"value": quote_value(text)}
        )
    return value


def parse_page_size(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise _InvalidValueError(
            _("%(value)s is not an integer; valid: 1 to %(most)d.")
            % {"value": quote_value(text), "most": MAX_PAGE_SIZE}
        ) from error
    if not 1 <= value <= MAX_PAGE_SIZE:
        raise _InvalidValueError(
            _("%(value)s is out of range; valid: 1 to %(most)d.") % {"value": quote_value(text), "most": MAX_PAGE_SIZE}
        )
    return value


def parse_boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*TRUE_WORDS, *FALSE_WORDS):
        raise _InvalidValueError(
            _("%(value)s is not a valid boolean; valid: true, false.") % {"value": quote_value(text)}
        )
    return word in TRUE_WORDS


def parse_sort(text: str) -> SearchSort:
    try:
        return SearchSort(text)
    except ValueError as error:
        raise _InvalidValueError(
            _("Unknown sort order %(value)s; valid: %(orders)s.")
            % {"value": quote_value(text), "orders": ", ".join(SearchSort)}
        ) from error


def quote_value(text: str) -> str:
    """Return a value quoted and shortened for an error message."""
    return repr(text if len(text) <= 50 else f"{text[:50]}…")
