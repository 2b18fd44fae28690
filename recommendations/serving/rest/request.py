"""The request schemas of recommendations and rankings.

REST views, fast path and OpenAPI document derive from them.

`RecommendationQuery` are the parameters of a URL and `RankBody` is a JSON body. The serializers word every error message;
`parse_plain_query` and `parse_plain_body` accept only plainly valid requests.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from recommendations.serving.expressions.expression import Boost, Expression, ExpressionError
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter
from recommendations.serving.rank import MAX_RANKED_PRODUCTS, RankRequest
from recommendations.serving.request import MAX_ITEMS, RecommendationRequest
from recommendations.serving.rest.schema import (
    MAX_PRICE_DIGITS,
    PRICE_DECIMALS,
    FieldSpec,
    build_serializer,
    make_expression_type,
    make_id_list_type,
    make_text_type,
    read_specs,
    split_ids,
)

BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


class NotPlainError(Exception):
    """The fast path leaves this request to the REST view, which serves it or words the error."""


PERSONALISED_NOTE = "False: the same products for everyone; nothing about the visitor is used."
COLD_START_NOTE = "Used by for-you for a visitor without a history"


FILTER_NOTE = """Only products that match this expression: brand in ("A", "B") and price < 20 and not tag:"sale", or its JSON tree."""
BOOST_NOTE = (
    """Factors from 0.1 to 10 on the scores of products that match expressions: brand:"A" ^ 1.5, price < 10 ^ 0.8."""
)


class RecommendationQuery(msgspec.Struct, kw_only=True):
    """The parameters of a recommendation request."""

    user_id: make_text_type(255, "The shop's customer ID.") = ""  # type: ignore[valid-type]
    anonymous_id: make_text_type(255, "The visitor's ID in the browser.") = ""  # type: ignore[valid-type]
    session_id: make_text_type(255, "The session; accepted and not used.") = ""  # type: ignore[valid-type]
    product_id: make_text_type(200, "The product to start from; required by similar.") = ""  # type: ignore[valid-type]
    product_ids: make_id_list_type(  # type: ignore[valid-type]
        50_000, "Product IDs joined by commas, which cart and bought-together start from. The first 200 are used."
    ) = []
    n: Annotated[int, Meta(ge=1, le=MAX_ITEMS, description="Number of items.")] = 10
    cursor: make_text_type(100, "next_cursor of the previous page.") = ""  # type: ignore[valid-type]
    category: make_text_type(1000, "A category path; includes the categories below it.") = ""  # type: ignore[valid-type]
    landing_category: make_text_type(  # type: ignore[valid-type]
        1000, f"{COLD_START_NOTE}: the path of the category where they entered the shop. It filters nothing."
    ) = ""
    language: make_text_type(35, f"{COLD_START_NOTE}: for example en or en-GB.") = ""  # type: ignore[valid-type]
    country: make_text_type(100, f"{COLD_START_NOTE}: the value that events send.") = ""  # type: ignore[valid-type]
    device: make_text_type(100, f"{COLD_START_NOTE}: for example mobile.") = ""  # type: ignore[valid-type]
    brand: make_text_type(200, "Only products of this brand.") = ""  # type: ignore[valid-type]
    price_min: Annotated[Decimal | None, Meta(description="Lowest price.")] = None
    price_max: Annotated[Decimal | None, Meta(description="Highest price.")] = None
    in_stock: Annotated[bool, Meta(description="False: include sold-out products.")] = True
    filter: make_expression_type("filter", FILTER_NOTE) = ""  # type: ignore[valid-type]
    boost: make_expression_type("boost", BOOST_NOTE) = ""  # type: ignore[valid-type]
    exclude: make_id_list_type(20_000, "Product IDs not to show, joined by commas.") = []  # type: ignore[valid-type]
    diversity: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="0: best products first; 1: as varied as possible. Default: the setting of the placement."),
    ] = None
    distinct: Annotated[
        bool, Meta(description="False: show several variants of a product, and nearly identical products.")
    ] = True
    personalised: Annotated[bool, Meta(description=PERSONALISED_NOTE)] = True
    explain: Annotated[bool, Meta(description="False: omit the reasons.")] = True
    strict: Annotated[
        bool | None,
        Meta(
            description="True: return an empty list instead of a fallback. False: if no product matches the filters, drop them. "
            "Default: a fallback is shown, but only products that match the filters."
        ),
    ] = None


class RankBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a ranking request."""

    product_ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(min_length=1, max_length=MAX_RANKED_PRODUCTS, description="In your own order."),
    ]
    user_id: make_text_type(255, "The shop's customer ID.") = ""  # type: ignore[valid-type]
    anonymous_id: make_text_type(255, "The visitor's ID in the browser.") = ""  # type: ignore[valid-type]
    in_stock: Annotated[bool, Meta(description="False: keep sold-out products.")] = True
    personalised: Annotated[bool, Meta(description=PERSONALISED_NOTE)] = True
    explain: Annotated[bool, Meta(description="False: omit the reasons.")] = True
    filter: make_expression_type("filter", FILTER_NOTE, in_body=True) = ""  # type: ignore[valid-type]
    boost: make_expression_type("boost", BOOST_NOTE, in_body=True) = ""  # type: ignore[valid-type]


RecommendationQuerySerializer = build_serializer("RecommendationQuerySerializer", RecommendationQuery)
RankRequestSerializer = build_serializer("RankRequestSerializer", RankBody, in_body=True)
_QUERY_SPECS = {spec.name: spec for spec in read_specs(RecommendationQuery)}


def make_request(scenario: str, values: dict[str, Any]) -> RecommendationRequest:
    """Return the request of validated parameters; product_id is put before product_ids."""
    product_id = values.pop("product_id", "")
    if product_id:
        values["product_ids"] = [product_id, *values.get("product_ids", ())]
    return RecommendationRequest(scenario, **values)


def parse_plain_query(scenario: str, pairs: Iterable[tuple[str, str]]) -> RecommendationRequest:
    """Return the request of decoded URL parameters. Errors: NotPlainError for anything unusual."""
    values: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for name, value in pairs:
        spec = _QUERY_SPECS.get(name)
        if spec is None or not value or value != value.strip() or "\x00" in value:
            raise NotPlainError
        if spec.kind == "list":
            length = lengths.get(name, -1) + len(value) + 1  # a comma joins repeated parameters
            if length > min(spec.limits["max_length"], 20_000):
                raise NotPlainError
            lengths[name] = length
            values[name] = values.get(name, []) + split_ids(value)
        elif name in values:
            raise NotPlainError
        else:
            values[name] = _PARSERS[spec.kind](spec, value)
    return make_request(scenario, values)


def parse_plain_body(body: bytes) -> RankRequest:
    """Return the ranking request of a JSON body. Errors: NotPlainError for anything unusual."""
    try:
        parsed = msgspec.json.decode(body, type=RankBody)
    except msgspec.DecodeError as error:
        raise NotPlainError from error
    texts = [*parsed.product_ids, parsed.user_id, parsed.anonymous_id]
    if list(map(str.strip, texts)) != texts or "\x00" in "".join(texts):
        raise NotPlainError
    return RankRequest(
        product_ids=parsed.product_ids,
        user_id=parsed.user_id,
        anonymous_id=parsed.anonymous_id,
        in_stock=parsed.in_stock,
        personalised=parsed.personalised,
        explain=parsed.explain,
        filter=_parse_filter(None, parsed.filter) if parsed.filter != "" else None,
        boost=_parse_boosts(None, parsed.boost) if parsed.boost != "" else (),
    )


def _parse_text(spec: FieldSpec, value: str) -> str:
    if len(value) > spec.limits["max_length"]:
        raise NotPlainError
    return value


def _parse_integer(spec: FieldSpec, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 3):
        raise NotPlainError
    number = int(value)
    if not spec.limits["min_value"] <= number <= spec.limits["max_value"]:
        raise NotPlainError
    return number


def _parse_boolean(_spec: FieldSpec, value: str) -> bool:
    if value not in BOOLEANS:
        raise NotPlainError
    return BOOLEANS[value]


def _parse_price(_spec: FieldSpec, value: str) -> Decimal:
    units, _point, decimals = value.partition(".")
    has_plain_units = value.isascii() and units.isdigit() and len(units) <= MAX_PRICE_DIGITS - PRICE_DECIMALS
    if not has_plain_units or (decimals and not (decimals.isdigit() and len(decimals) <= PRICE_DECIMALS)):
        raise NotPlainError
    return Decimal(value)


def _parse_share(spec: FieldSpec, value: str) -> float:
    # digits and one point only: no exponents, signs, infinities or underscores
    if len(value) > 10 or not value.isascii() or not value.replace(".", "", 1).isdigit():
        raise NotPlainError
    number = float(value)
    if not spec.limits["min_value"] <= number <= spec.limits["max_value"]:
        raise NotPlainError
    return number


def parse_plain_filter(value: object) -> Expression:
    """Return the expression of a filter. Errors: NotPlainError for an invalid one."""
    return _parse_filter(None, value)


def _parse_filter(_spec: FieldSpec | None, value: object) -> Expression:
    try:
        return parse_filter(value)
    except ExpressionError as error:
        raise NotPlainError from error


def _parse_boosts(_spec: FieldSpec | None, value: object) -> tuple[Boost, ...]:
    try:
        return parse_boosts(value)
    except ExpressionError as error:
        raise NotPlainError from error


_PARSERS: dict[str, Callable[[FieldSpec, str], Any]] = {
    "str": _parse_text,
    "int": _parse_integer,
    "bool": _parse_boolean,
    "decimal": _parse_price,
    "float": _parse_share,
    "filter": _parse_filter,
    "boost": _parse_boosts,
}
