"""The request schema of serving, defined once: the REST views, the fast path and the OpenAPI document derive from it.

`RecommendationQuery` are the parameters of a URL and `RankBody` is a JSON body. `build_serializer` makes the serializer that
words every error; `parse_plain_query` and `parse_plain_body` accept only requests that need no wording.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.inspect import type_info
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from recommendations.serving.rank import MAX_RANKED_PRODUCTS, RankRequest
from recommendations.serving.request import MAX_ITEMS, RecommendationRequest

MAX_PRICE_DIGITS, PRICE_DECIMALS = 14, 2
BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


class NotPlainError(Exception):
    """The fast path leaves this request to the REST view, which answers it or words the error."""


def text(max_length: int, description: str = "") -> Any:
    """Return the type of a text parameter."""
    return Annotated[str, Meta(max_length=max_length, description=description or None)]


def id_list(max_length: int, description: str) -> Any:
    """Return the type of a parameter with ids joined by commas; max_length: characters of the whole text."""
    return Annotated[list[str], Meta(description=description, extra={"max_length": max_length})]


COLD_START_NOTE = "Used by for-you for a visitor without a history"


class RecommendationQuery(msgspec.Struct, kw_only=True):
    """The parameters of a recommendation request."""

    user_id: text(255, "The shop's ID of the customer.") = ""  # type: ignore[valid-type]
    anonymous_id: text(255, "The visitor's ID in the browser.") = ""  # type: ignore[valid-type]
    session_id: text(255, "The session; accepted and not used.") = ""  # type: ignore[valid-type]
    product_id: text(200, "The product to start from; required by similar.") = ""  # type: ignore[valid-type]
    product_ids: id_list(  # type: ignore[valid-type]
        50_000, "Product IDs joined by commas, which cart and bought-together start from. The first 200 are used."
    ) = []
    n: Annotated[int, Meta(ge=1, le=MAX_ITEMS, description="Number of items.")] = 10
    cursor: text(100, "next_cursor of the previous page.") = ""  # type: ignore[valid-type]
    category: text(1000, "A category path; includes the categories below it.") = ""  # type: ignore[valid-type]
    landing_category: text(  # type: ignore[valid-type]
        1000, f"{COLD_START_NOTE}: the path of the category where they entered the shop. It filters nothing."
    ) = ""
    language: text(35, f"{COLD_START_NOTE}: for example en or en-GB.") = ""  # type: ignore[valid-type]
    country: text(100, f"{COLD_START_NOTE}: the value that events send.") = ""  # type: ignore[valid-type]
    device: text(100, f"{COLD_START_NOTE}: for example mobile.") = ""  # type: ignore[valid-type]
    brand: text(200, "Only products of this brand.") = ""  # type: ignore[valid-type]
    price_min: Annotated[Decimal | None, Meta(description="Lowest price.")] = None
    price_max: Annotated[Decimal | None, Meta(description="Highest price.")] = None
    in_stock: Annotated[bool, Meta(description="False: include sold-out products.")] = True
    exclude: id_list(20_000, "Product IDs not to show, joined by commas.") = []  # type: ignore[valid-type]
    diversity: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="0: best products first; 1: as varied as possible. Default: the setting of the placement."),
    ] = None
    explain: Annotated[bool, Meta(description="False: omit the reasons.")] = True
    strict: Annotated[bool, Meta(description="True: return an empty list instead of a fallback.")] = False


class RankBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a ranking request."""

    product_ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(min_length=1, max_length=MAX_RANKED_PRODUCTS, description="In your own order."),
    ]
    user_id: text(255, "The shop's ID of the customer.") = ""  # type: ignore[valid-type]
    anonymous_id: text(255, "The visitor's ID in the browser.") = ""  # type: ignore[valid-type]
    in_stock: Annotated[bool, Meta(description="False: keep sold-out products.")] = True
    explain: Annotated[bool, Meta(description="False: omit the reasons.")] = True


class CommaListField(serializers.CharField):
    """A list of texts joined by commas, or of the parameter given several times; the length limit counts all characters."""

    def get_value(self, dictionary):  # type: ignore[no-untyped-def]
        if hasattr(dictionary, "getlist"):
            return ",".join(dictionary.getlist(self.field_name)) or serializers.empty
        return super().get_value(dictionary)

    def get_default(self):  # type: ignore[no-untyped-def]
        return []

    def run_validation(self, data=serializers.empty):  # type: ignore[no-untyped-def]
        """Validate the whole text before splitting it."""
        value = super().run_validation(data)
        return split_ids(value) if isinstance(value, str) else value


def split_ids(value: str) -> list[str]:
    """Return the ids of a text that joins them by commas."""
    return [part for piece in value.split(",") if (part := piece.strip())]


class _FieldSpec(msgspec.Struct):
    """A field of a schema in the terms that serializers and parsers need."""

    name: str
    type: str
    default: Any
    is_required: bool
    limits: dict[str, Any]
    description: str
    item_max_length: int | None = None


def _read_specs(schema: type[msgspec.Struct]) -> list[_FieldSpec]:
    return [_read_spec(field) for field in type_info(schema).fields]  # type: ignore[attr-defined]


def _read_spec(field: Any) -> _FieldSpec:
    info, description = field.type, ""
    extra: dict[str, Any] = {}
    while isinstance(info, msgspec.inspect.Metadata):
        description = (info.extra_json_schema or {}).get("description", description)
        extra = {**(info.extra or {}), **extra}
        info = info.type
    if isinstance(info, msgspec.inspect.UnionType):
        info = next(inner for inner in info.types if not isinstance(inner, msgspec.inspect.NoneType))
    names = {"ge": "min_value", "le": "max_value", "min_length": "min_length", "max_length": "max_length"}
    limits = {to: value for name, to in names.items() if (value := getattr(info, name, None)) is not None}
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if isinstance(info, msgspec.inspect.ListType) and not field.required:
        default = []
    return _FieldSpec(
        field.name,
        type(info).__name__.removesuffix("Type").lower(),
        default,
        field.required,
        limits | extra,
        description,
        getattr(getattr(info, "item_type", None), "max_length", None),
    )


def _make_field(spec: _FieldSpec, *, in_body: bool) -> serializers.Field:
    options: dict[str, Any] = {"help_text": spec.description, **spec.limits}
    options |= {"required": True} if spec.is_required else {"required": False, "default": spec.default}
    match spec.type:
        case "str":
            return serializers.CharField(**(options | {"allow_blank": True} if in_body else options))
        case "int":
            return serializers.IntegerField(**options)
        case "float":
            return serializers.FloatField(**options)
        case "bool":
            return serializers.BooleanField(**options)
        case "decimal":
            return serializers.DecimalField(
                **options, min_value=0, max_digits=MAX_PRICE_DIGITS, decimal_places=PRICE_DECIMALS
            )
        case "list" if in_body:
            return serializers.ListField(child=serializers.CharField(max_length=spec.item_max_length), **options)
        case "list":
            return CommaListField(**(options | {"default": ""}))
    raise TypeError(f"{spec.name}: {spec.type} has no serializer field")


def build_serializer(name: str, schema: type[msgspec.Struct], *, in_body: bool = False) -> type[serializers.Serializer]:
    """Return the serializer of a schema. in_body: a JSON body, whose values must have JSON's own types."""
    fields = {spec.name: _make_field(spec, in_body=in_body) for spec in _read_specs(schema)}
    bases = (StrictTypesMixin, serializers.Serializer) if in_body else (serializers.Serializer,)
    return type(name, bases, {**fields, "__module__": __name__})


RecommendationQuerySerializer = build_serializer("RecommendationQuerySerializer", RecommendationQuery)
RankRequestSerializer = build_serializer("RankRequestSerializer", RankBody, in_body=True)
_QUERY_SPECS = {spec.name: spec for spec in _read_specs(RecommendationQuery)}


def make_request(scenario: str, values: dict[str, Any]) -> RecommendationRequest:
    """Return the request of validated parameters; product_id comes before product_ids."""
    product_id = values.pop("product_id", "")
    if product_id:
        values["product_ids"] = [product_id, *values.get("product_ids", ())]
    return RecommendationRequest(scenario, **values)


def parse_plain_query(scenario: str, pairs: Iterable[tuple[str, str]]) -> RecommendationRequest:
    """Return the request of decoded URL parameters. Errors: NotPlainError for anything unusual."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        spec = _QUERY_SPECS.get(name)
        if spec is None or not value or value != value.strip() or "\x00" in value:
            raise NotPlainError
        if spec.type == "list":
            if len(value) > min(spec.limits["max_length"], 20_000):
                raise NotPlainError
            values[name] = values.get(name, []) + split_ids(value)
        elif name in values:
            raise NotPlainError
        else:
            values[name] = _PARSERS[spec.type](spec, value)
    return make_request(scenario, values)


def parse_plain_body(body: bytes) -> RankRequest:
    """Return the ranking request of a JSON body. Errors: NotPlainError for anything unusual."""
    try:
        parsed = msgspec.json.decode(body, type=RankBody)
    except msgspec.DecodeError as error:
        raise NotPlainError from error
    if any(
        text != text.strip() or "\x00" in text for text in (*parsed.product_ids, parsed.user_id, parsed.anonymous_id)
    ):
        raise NotPlainError
    return RankRequest(parsed.product_ids, parsed.user_id, parsed.anonymous_id, parsed.in_stock, parsed.explain)


def _parse_text(spec: _FieldSpec, value: str) -> str:
    if len(value) > spec.limits["max_length"]:
        raise NotPlainError
    return value


def _parse_integer(spec: _FieldSpec, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 3):
        raise NotPlainError
    number = int(value)
    if not spec.limits["min_value"] <= number <= spec.limits["max_value"]:
        raise NotPlainError
    return number


def _parse_boolean(_spec: _FieldSpec, value: str) -> bool:
    if value not in BOOLEANS:
        raise NotPlainError
    return BOOLEANS[value]


def _parse_price(_spec: _FieldSpec, value: str) -> Decimal:
    whole, _point, decimals = value.partition(".")
    is_whole_plain = value.isascii() and whole.isdigit() and len(whole) <= MAX_PRICE_DIGITS - PRICE_DECIMALS
    if not is_whole_plain or (decimals and not (decimals.isdigit() and len(decimals) <= PRICE_DECIMALS)):
        raise NotPlainError
    return Decimal(value)


def _parse_share(spec: _FieldSpec, value: str) -> float:
    # digits and one point only: no exponents, signs, infinities or underscores
    if len(value) > 10 or not value.isascii() or not value.replace(".", "", 1).isdigit():
        raise NotPlainError
    number = float(value)
    if not spec.limits["min_value"] <= number <= spec.limits["max_value"]:
        raise NotPlainError
    return number


_PARSERS: dict[str, Callable[[_FieldSpec, str], Any]] = {
    "str": _parse_text,
    "int": _parse_integer,
    "bool": _parse_boolean,
    "decimal": _parse_price,
    "float": _parse_share,
}
