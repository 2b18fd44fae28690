"""The types of an OpenAPI document, in a form that every language can be written from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

REFERENCE = "#/components/schemas/"
SCALARS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}

type Schema = dict[str, Any]


@dataclass(frozen=True)
class Scalar:
    """``string``, ``integer``, ``number``, ``boolean``, ``bytes``, ``null`` or ``any``."""

    name: str


@dataclass(frozen=True)
class Literals:
    """One of these values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Reference:
    """A declared type."""

    name: str


@dataclass(frozen=True)
class ListOf:
    item: "ClientType"


@dataclass(frozen=True)
class MapOf:
    value: "ClientType"


@dataclass(frozen=True)
class Options:
    """One of several types."""

    types: tuple["ClientType", ...]


type ClientType = Scalar | Literals | Reference | ListOf | MapOf | Options


@dataclass(frozen=True)
class Member:
    """A property of an object."""

    name: str
    type: ClientType
    is_required: bool
    description: str = ""


@dataclass(frozen=True)
class Declaration:
    """A named type: an object with members, or another name for ``alias``."""

    name: str
    description: str
    members: tuple[Member, ...] = ()
    alias: ClientType | None = None


ANY, NULL, BYTES = Scalar("any"), Scalar("null"), Scalar("bytes")


@dataclass
class TypeReader:
    """Reads schemas; an object inside another one becomes a declaration of its own."""

    declarations: dict[str, Declaration] = field(default_factory=dict)

    def read_components(self, schemas: dict[str, Schema]) -> None:
        """Declare all components."""
        reserved = dict.fromkeys(schemas)
        for name, schema in schemas.items():
            self.declare(name, schema, reserved)

    def declare(self, name: str, schema: Schema, reserved: dict[str, None]) -> None:
        description = schema.get("description", "")
        if has_members(schema):
            required = set(schema.get("required", ()))
            members = tuple(
                Member(key, self.read(part, name + to_pascal(key), reserved), key in required, describe(part))
                for key, part in schema["properties"].items()
            )
            self.declarations[name] = Declaration(name, description, members)
        else:
            self.declarations[name] = Declaration(name, description, alias=self.read(schema, name, reserved))

    def read(self, schema: Schema, path: str, reserved: dict[str, None]) -> ClientType:
        """Return the type of a schema; ``path`` names an object that has no name."""
        kind = self.read_without_null(schema, path, reserved)
        return Options((kind, NULL)) if schema.get("nullable") and kind not in (ANY, NULL) else kind

    def read_without_null(self, schema: Schema, path: str, reserved: dict[str, None]) -> ClientType:
        if "$ref" in schema:
            return Reference(schema["$ref"].removeprefix(REFERENCE))
        if "enum" in schema:
            return Literals(tuple(schema["enum"]))
        if has_members(schema):
            name = find_free_name(path, reserved, self.declarations)
            reserved[name] = None
            self.declare(name, schema, reserved)
            return Reference(name)
        if parts := schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf"):
            kinds = dict.fromkeys(
                self.read(part, path + to_pascal(part.get("title", f"option {number}")), reserved)
                for number, part in enumerate(parts, start=1)
            )
            return next(iter(kinds)) if len(kinds) == 1 else Options(tuple(kinds))
        if schema.get("type") == "array":
            return ListOf(self.read(schema.get("items", {}), path + "Item", reserved))
        if schema.get("type") == "object":
            values = schema.get("additionalProperties")
            return MapOf(self.read(values, path + "Value", reserved) if isinstance(values, dict) else ANY)
        if schema.get("format") == "binary":
            return BYTES
        return Scalar(SCALARS[schema["type"]]) if "type" in schema else ANY


def has_members(schema: Schema) -> bool:
    return bool(schema.get("properties"))


def describe(schema: Schema) -> str:
    return " ".join(str(schema.get("description") or "").split())


def find_free_name(path: str, reserved: dict[str, None], declared: dict[str, Declaration]) -> str:
    number, name = 1, path
    while name in reserved or name in declared:
        number += 1
        name = f"{path}{number}"
    return name


def to_pascal(text: str) -> str:
    """Return ``price_range`` as ``PriceRange``."""
    cleaned = "".join(letter if letter.isalnum() and letter.isascii() else " " for letter in text)
    return "".join(word[0].upper() + word[1:] for word in cleaned.split())


def build_empty_value(kind: ClientType, declarations: dict[str, Declaration]) -> Any:
    """Return the emptiest value of a type: null where that is possible, else "", 0, false, an empty list, or required members only."""
    match kind:
        case Options(types):
            return None if NULL in types else build_empty_value(types[0], declarations)
        case Scalar(name):
            return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(name)
        case Literals(values):
            return values[0]
        case ListOf():
            return []
        case MapOf():
            return {}
    declaration = declarations[kind.name]
    if declaration.alias is not None:
        return build_empty_value(declaration.alias, declarations)
    return {
        member.name: build_empty_value(member.type, declarations)
        for member in declaration.members
        if member.is_required
    }


def list_references(kind: ClientType) -> Iterator[str]:
    """Yield the names of the declared types that a type contains."""
    match kind:
        case Reference(name):
            yield name
        case ListOf(inner) | MapOf(inner):
            yield from list_references(inner)
        case Options(types):
            for part in types:
                yield from list_references(part)
