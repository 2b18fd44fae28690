"""The request schema of the search.

REST view, fast path and OpenAPI document derive from it.

Both callers share one parser, which reports every invalid parameter together with the valid values.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework.exceptions import ErrorDetail

from config.foundation.rest.filters import describe_reversed_range
from config.foundation.rest.known_names import find_unknown_names
from config.foundation.text_encoding import make_encodable
from recommendations.serving.expressions.attributes import CATALOG_PREFIX
from recommendations.serving.expressions.expression import Boost, Expression, ExpressionError
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter
from recommendations.serving.rest.request import BOOST_NOTE, FILTER_NOTE
from recommendations.serving.rest.schema import (
    FieldSpec,
    build_serializer,
    make_expression_type,
    make_id_list_type,
    make_text_type,
    read_specs,
    split_ids,
)
from recommendations.serving.search.request import (
    DEFAULT_PAGE_SIZE,
    MAX_ATTRIBUTES,
    MAX_ID_LENGTH,
    MAX_PAGE_SIZE,
    MAX_PATH_LENGTH,
    MAX_PRODUCT_IDS,
    MAX_QUERY_LENGTH,
    InvalidSearchError,
    SearchRequest,
    SearchSort,
)

MAX_CURSOR_LENGTH, MAX_LIST_LENGTH = 200, 50_000
MAX_PRICE = Decimal(10) ** 12
TRUE_WORDS, FALSE_WORDS = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class SearchQuery(msgspec.Struct, kw_only=True):
    """The parameters of a search request.

    attributes: those that begin with CATALOG_PREFIX, by the rest of their name.
    """

    q: make_text_type(  # type: ignore[valid-type]
        MAX_QUERY_LENGTH, "The query; the last word may be unfinished. Empty: all products."
    ) = ""
    user_id: make_text_type(MAX_ID_LENGTH, "The shop's customer ID.") = ""  # type: ignore[valid-type]
    anonymous_id: make_text_type(MAX_ID_LENGTH, "The visitor's id in the browser.") = ""  # type: ignore[valid-type]
    category: make_text_type(MAX_PATH_LENGTH, "A category path; includes its subcategories.") = ""  # type: ignore[valid-type]
    brand: make_text_type(MAX_ID_LENGTH) = ""  # type: ignore[valid-type]
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool = True
    attributes: dict[str, str] = {}
    product_ids: make_id_list_type(  # type: ignore[valid-type]
        MAX_LIST_LENGTH, "Only these product IDs, separated by commas; at most 1000."
    ) = []
    filter: make_expression_type("filter", FILTER_NOTE) = ""  # type: ignore[valid-type]
    boost: make_expression_type("boost", BOOST_NOTE) = ""  # type: ignore[valid-type]
    n: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE
    cursor: make_text_type(MAX_CURSOR_LENGTH, "next_cursor of the previous response.") = ""  # type: ignore[valid-type]
    distinct: Annotated[
        bool, Meta(description="true: only the best product of each group, such as the variants of one product.")
    ] = False
    autocorrect: Annotated[bool, Meta(description="false: search exactly the typed words.")] = True
    personalised: Annotated[bool, Meta(description="false: the same order for all customers.")] = True
    sort: SearchSort = SearchSort.RELEVANCE
    facets: bool = True
    explain: bool = True
    highlight: Annotated[bool, Meta(description="true: which parts of each title match the query.")] = False
    strict: Annotated[
        bool | None,
        Meta(
            description="true: no fallback to popular products. false: a fallback. Default: a fallback only without filters."
        ),
    ] = None


SearchQuerySerializer = build_serializer("SearchQuerySerializer", SearchQuery, accepts_blank=True)
_QUERY_SPECS = read_specs(SearchQuery)
_LIST_NAMES = frozenset(spec.name for spec in _QUERY_SPECS if spec.kind == "list")
_PARAMETER_NAMES = frozenset(spec.name for spec in _QUERY_SPECS if spec.kind != "dict")


class _InvalidValueError(Exception):
    """One invalid value, with the valid ones."""


def parse_search_pairs(pairs: Iterable[tuple[str, str]], *, language: str | None = None) -> SearchRequest:
    """Parse the parameters of a URL, in which a list may be given as one parameter or as several.

    language: the active language by default.

    Raises:
        InvalidSearchError: names every invalid, unknown or repeated parameter.
    """
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    params = {name: ",".join(given) if name in _LIST_NAMES else given[0] for name, given in values.items()}
    repeated = [name for name, given in values.items() if len(given) > 1 and name not in _LIST_NAMES]
    if not repeated:
        return parse_search_request(params, language=language)
    message = ErrorDetail(_("Give this parameter once; only lists can be repeated."), "repeated")
    errors: dict[str, str] = {make_encodable(name): message for name in repeated}
    try:
        parse_search_request(params)
    except InvalidSearchError as error:
        errors |= error.errors
    raise InvalidSearchError(errors)


def parse_search_request(params: Mapping[str, str], *, language: str | None = None) -> SearchRequest:
    """Parse query parameters; empty ones are ignored.

    language: the active language by default.

    Raises:
        InvalidSearchError: names every invalid or unknown parameter.
    """
    others = params.keys() - _PARAMETER_NAMES
    errors = _find_unknown_parameters(params) if others else {}
    values: dict[str, Any] = {}
    for spec in _QUERY_SPECS:
        if spec.kind == "dict":
            if others:
                values[spec.name] = _parse_attributes(params, errors)
        elif text := params.get(spec.name, ""):
            try:
                values[spec.name] = _PARSERS[spec.kind](spec, text)
            except _InvalidValueError as error:
                errors[spec.name] = str(error)
    values["q"] = values.get("q", "").strip()
    request = SearchRequest(**values, language=language if language is not None else get_language() or "")
    if request.price_min is not None and request.price_max is not None and request.price_min > request.price_max:
        errors["price_min"] = describe_reversed_range(request.price_min, "price_max", request.price_max)
    if errors:
        raise InvalidSearchError(errors)
    return request


def _find_unknown_parameters(params: Mapping[str, str]) -> dict[str, str]:
    """Return an error for each parameter that does not exist, with its code for the REST API."""
    names = [name for name in params if not name.startswith(CATALOG_PREFIX)]
    valid = [spec.name if spec.kind != "dict" else f"{CATALOG_PREFIX}NAME" for spec in _QUERY_SPECS]
    return {name: errors[0] for name, errors in find_unknown_names(names, valid).items()}


def _parse_attributes(params: Mapping[str, str], errors: dict[str, str]) -> dict[str, str]:
    """Return the attribute filters by name; add their problems to the errors."""
    attributes: dict[str, str] = {}
    for name, value in params.items():
        if name.startswith(CATALOG_PREFIX) and len(name) > len(CATALOG_PREFIX) and value:
            try:
                attributes[name.removeprefix(CATALOG_PREFIX)] = _require_storable_text(value, MAX_ID_LENGTH)
            except _InvalidValueError as error:
                errors[quote_value(name)] = str(error)
    if len(attributes) > MAX_ATTRIBUTES:
        errors["attributes"] = _("Too many values: %(count)d; the maximum is %(most)d.") % {
            "count": len(attributes),
            "most": MAX_ATTRIBUTES,
        }
    return attributes


def _require_storable_text(text: str, max_length: int) -> str:
    """Return a text that is short enough and can be stored in the database.

    A longer query was probably pasted by mistake.
    """
    if len(text) > max_length:
        raise _InvalidValueError(
            _("Too long: %(length)d characters; the maximum is %(most)d.") % {"length": len(text), "most": max_length}
        )
    if "\x00" in text or make_encodable(text) != text:
        raise _InvalidValueError(_("Contains a NUL character or an unpaired surrogate; remove it."))
    return text


def _parse_text(spec: FieldSpec, text: str) -> str:
    return _require_storable_text(text, spec.limits["max_length"])


def _parse_ids(spec: FieldSpec, text: str) -> tuple[str, ...]:
    product_ids = tuple(dict.fromkeys(split_ids(_parse_text(spec, text))))
    if len(product_ids) > MAX_PRODUCT_IDS:
        raise _InvalidValueError(
            _("Too many values: %(count)d; the maximum is %(most)d.")
            % {"count": len(product_ids), "most": MAX_PRODUCT_IDS}
        )
    return product_ids


def _parse_price(_spec: FieldSpec, text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise _InvalidValueError(
            _("%(value)s is not a valid price; use a format like 19.90.") % {"value": quote_value(text)}
        ) from error
    if not value.is_finite() or not 0 <= value < MAX_PRICE:
        raise _InvalidValueError(
            _("%(value)s is out of range; valid: 0 to 999999999999.") % {"value": quote_value(text)}
        )
    return value


def _parse_integer(spec: FieldSpec, text: str) -> int:
    low, high = spec.limits["min_value"], spec.limits["max_value"]
    try:
        value = int(text)
    except ValueError as error:
        raise _InvalidValueError(
            _("%(value)s is not an integer; valid: 1 to %(most)d.") % {"value": quote_value(text), "most": high}
        ) from error
    if not low <= value <= high:
        raise _InvalidValueError(
            _("%(value)s is out of range; valid: 1 to %(most)d.") % {"value": quote_value(text), "most": high}
        )
    return value


def _parse_boolean(_spec: FieldSpec, text: str) -> bool:
    word = text.strip().lower()
    if word not in (*TRUE_WORDS, *FALSE_WORDS):
        raise _InvalidValueError(
            _("%(value)s is not a valid boolean; valid: true, false.") % {"value": quote_value(text)}
        )
    return word in TRUE_WORDS


def _parse_sort(_spec: FieldSpec, text: str) -> SearchSort:
    try:
        return SearchSort(text)
    except ValueError as error:
        raise _InvalidValueError(
            _("Unknown sort order %(value)s; valid: %(orders)s.")
            % {"value": quote_value(text), "orders": ", ".join(SearchSort)}
        ) from error


def _parse_filter(_spec: FieldSpec, text: str) -> Expression | None:
    try:
        return parse_filter(text) if text.strip() else None
    except ExpressionError as error:
        raise _InvalidValueError(str(error)) from error


def _parse_boosts(_spec: FieldSpec, text: str) -> tuple[Boost, ...]:
    try:
        return parse_boosts(text) if text.strip() else ()
    except ExpressionError as error:
        raise _InvalidValueError(str(error)) from error


def quote_value(text: str) -> str:
    """Return a value quoted and shortened for an error message."""
    return repr(text if len(text) <= 50 else f"{text[:50]}…")


_PARSERS: dict[str, Callable[[FieldSpec, str], Any]] = {
    "str": _parse_text,
    "list": _parse_ids,
    "decimal": _parse_price,
    "int": _parse_integer,
    "bool": _parse_boolean,
    "enum": _parse_sort,
    "filter": _parse_filter,
    "boost": _parse_boosts,
}
