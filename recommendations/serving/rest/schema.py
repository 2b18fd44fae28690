"""Request schemas: structs from which serializers, parsers and the OpenAPI document derive."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.inspect import type_info
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from recommendations.serving.rest.expression_fields import BoostField, ExpressionParameterField, FilterField

MAX_PRICE_DIGITS, PRICE_DECIMALS = 14, 2
EXPRESSION_FIELDS: dict[str, type[ExpressionParameterField]] = {"filter": FilterField, "boost": BoostField}
EMPTY_DEFAULTS: tuple[Any, ...] = ("", None, [])


def make_text_type(max_length: int, description: str = "") -> Any:
    """Return the type of a text parameter."""
    return Annotated[str, Meta(max_length=max_length, description=description or None)]


def make_expression_type(kind: str, description: str, *, in_body: bool = False) -> Any:
    """Return the type of a filter or boost; in a body it may also be the JSON itself."""
    types: dict[str, Any] = {"filter": str | dict[str, Any], "boost": str | list[Any]}
    return Annotated[types[kind] if in_body else str, Meta(description=description, extra={"kind": kind})]


def make_id_list_type(max_length: int, description: str) -> Any:
    """Return the type of a parameter with ids joined by commas.

    max_length: characters of the whole text.
    """
    return Annotated[list[str], Meta(description=description, extra={"max_length": max_length})]


class CommaListField(serializers.CharField):
    """A list of texts joined by commas, or of the parameter given several times.

    The length limit counts all characters.
    """

    is_list = True  # for `find_repeated_names`

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


class FieldSpec(msgspec.Struct):
    """A field of a schema in the terms that serializers and parsers need.

    kind: str, int, float, bool, decimal, list, enum, dict, filter or boost.
    """

    name: str
    kind: str
    default: Any
    is_required: bool
    limits: dict[str, Any]
    description: str
    item_max_length: int | None = None
    choices: tuple[Any, ...] = ()


def read_specs(schema: type[msgspec.Struct]) -> list[FieldSpec]:
    """Return the fields of a schema in their order."""
    return [_read_spec(field) for field in type_info(schema).fields]  # type: ignore[attr-defined]


def _read_spec(field: Any) -> FieldSpec:
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
    kind = extra.pop("kind", type(info).__name__.removesuffix("Type").lower())
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if isinstance(info, msgspec.inspect.ListType) and not field.required:
        default = []
    return FieldSpec(
        field.name,
        kind,
        default,
        field.required,
        limits | extra,
        description,
        getattr(getattr(info, "item_type", None), "max_length", None),
        tuple(choice.value for choice in info.cls) if isinstance(info, msgspec.inspect.EnumType) else (),
    )


def _make_field(spec: FieldSpec, *, in_body: bool, accepts_blank: bool) -> serializers.Field:
    if spec.kind in EXPRESSION_FIELDS:
        return EXPRESSION_FIELDS[spec.kind](
            required=False, help_text=spec.description, in_body=in_body, accepts_blank=in_body or accepts_blank
        )
    options: dict[str, Any] = {"help_text": spec.description, **spec.limits}
    options |= {"required": True} if spec.is_required else {"required": False, "default": spec.default}
    if accepts_blank and spec.default in EMPTY_DEFAULTS:
        del options["default"]
    blank: dict[str, Any] = {"allow_blank": True} if in_body or accepts_blank else {}
    match spec.kind:
        case "str":
            return serializers.CharField(**options, **blank)
        case "int":
            return serializers.IntegerField(**options)
        case "float":
            return serializers.FloatField(**options)
        case "bool":
            # a form has no missing values: without allow_null, a parameter that is left out would be an error
            return serializers.BooleanField(**options, allow_null=spec.default is None and not spec.is_required)
        case "decimal":
            return serializers.DecimalField(
                **options, min_value=0, max_digits=MAX_PRICE_DIGITS, decimal_places=PRICE_DECIMALS
            )
        case "enum":
            return serializers.ChoiceField(choices=list(spec.choices), **options)
        case "list" if in_body:
            return serializers.ListField(child=serializers.CharField(max_length=spec.item_max_length), **options)
        case "list":
            return CommaListField(**(options | blank | ({} if accepts_blank else {"default": ""})))
    raise TypeError(f"{spec.name}: {spec.kind} has no serializer field")


def build_serializer(
    name: str, schema: type[msgspec.Struct], *, in_body: bool = False, accepts_blank: bool = False
) -> type[serializers.Serializer]:
    """Return the serializer of a schema.

    in_body: a JSON body, whose values must have JSON's own types. accepts_blank: an empty parameter counts as a missing one.
    A field of the kind dict is a family of parameters with a common prefix, which a serializer cannot name: it has none.
    """
    fields = {
        spec.name: _make_field(spec, in_body=in_body, accepts_blank=accepts_blank)
        for spec in read_specs(schema)
        if spec.kind != "dict"
    }
    bases = (StrictTypesMixin if in_body else KnownFieldsMixin, serializers.Serializer)
    return type(name, bases, {**fields, "__module__": __name__})
