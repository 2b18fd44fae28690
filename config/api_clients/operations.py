"""The operations of an OpenAPI document, as a client calls them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from config.api_clients.types import (
    ANY,
    BYTES,
    NULL,
    ClientType,
    Declaration,
    Member,
    Options,
    Scalar,
    TypeReader,
    build_empty_value,
    describe,
    to_pascal,
)

METHODS = ("get", "put", "post", "patch", "delete")
JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """One method of the client.

    Attributes:
        path: the URL below the server, with ``{name}`` for path parameters.
        expects: ``json``, ``text``, ``bytes``, or ``nothing`` for a response without a body.
        may_retry: whether a second execution changes nothing more than the first.
        takes_idempotency_key: whether an Idempotency-Key makes a retry safe.
        is_publishable: whether a publishable key may call it, with a user token.
        empty: the empty response, with which a page shows nothing; None if the page must learn of the failure.
    """

    name: str
    method: str
    path: str
    description: str
    scope: str
    path_parameters: tuple[Member, ...]
    query: tuple[Member, ...]
    body: ClientType | None
    body_is_required: bool
    answer: ClientType
    expects: str
    may_retry: bool
    takes_idempotency_key: bool
    is_publishable: bool
    empty: dict[str, Any] | None


@dataclass(frozen=True)
class ClientModel:
    """Everything that the writer of a language needs."""

    version: str
    declarations: dict[str, Declaration]
    operations: tuple[Operation, ...]


def read_document(document: dict[str, Any]) -> ClientModel:
    """Read an OpenAPI 3.0 document."""
    types = TypeReader()
    types.read_components(document["components"]["schemas"])
    operations = tuple(sorted(read_operations(document, types), key=lambda operation: operation.name))
    return ClientModel(document["info"]["version"], types.declarations, operations)


def select_operations(model: ClientModel, names: Sequence[str]) -> ClientModel:
    """Return a model with these operations only, for a page that needs few. Errors: ValueError for an unknown one."""
    known = {operation.name: operation for operation in model.operations}
    if unknown := sorted(set(names) - known.keys()):
        raise ValueError(f"Unknown operation {', '.join(unknown)}; valid: {', '.join(known)}.")
    return replace(model, operations=tuple(known[name] for name in sorted(set(names))))


def read_operations(document: dict[str, Any], types: TypeReader) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield read_operation(path, method, methods[method], types)


def read_operation(path: str, method: str, raw: dict[str, Any], types: TypeReader) -> Operation:
    answer, expects = read_answer(raw, types)
    body = raw.get("requestBody", {})
    headers = {parameter["name"] for parameter in raw.get("parameters", ()) if parameter["in"] == "header"}
    scope = raw.get("x-scope", "")
    reads = scope.endswith(":read")
    is_publishable = bool(raw.get("x-publishable"))
    order = re.findall(r"\{(\w+)\}", path)
    return Operation(
        name=raw["operationId"],
        method=method.upper(),
        path=path,
        description=raw.get("description") or raw.get("summary") or "",
        scope=scope,
        path_parameters=tuple(
            sorted(read_parameters(raw, "path", types), key=lambda parameter: order.index(parameter.name))
        ),
        query=tuple(read_parameters(raw, "query", types)),
        body=read_schema(body["content"][JSON]["schema"], raw["operationId"], types) if body else None,
        body_is_required=bool(body.get("required")),
        answer=answer,
        expects=expects,
        may_retry=method in ("get", "put", "delete") or reads,
        takes_idempotency_key="Idempotency-Key" in headers,
        is_publishable=is_publishable,
        empty=build_empty_value(answer, types.declarations) if is_publishable and reads else None,
    )


def read_schema(schema: dict[str, Any], operation: str, types: TypeReader) -> ClientType:
    return types.read(schema, to_pascal(operation), dict.fromkeys(types.declarations))


def read_parameters(raw: dict[str, Any], kind: str, types: TypeReader) -> Iterator[Member]:
    """Yield parameters, the required ones first."""
    parameters = [parameter for parameter in raw.get("parameters", ()) if parameter["in"] == kind]
    for parameter in sorted(parameters, key=lambda parameter: not parameter.get("required")):
        read = read_schema(parameter["schema"], f"{raw['operationId']} {parameter['name']}", types)
        yield Member(parameter["name"], read, bool(parameter.get("required")), describe(parameter))


def read_answer(raw: dict[str, Any], types: TypeReader) -> tuple[ClientType, str]:
    """Return the type of the successful responses, and the kind of their bodies."""
    kinds: dict[ClientType, None] = {}
    expects = "nothing"
    for status, response in raw["responses"].items():
        if not status.startswith("2"):
            continue
        for media_type, content in response.get("content", {}).items():
            if media_type == JSON:
                kinds[read_schema(content["schema"], raw["operationId"], types)] = None
                expects = "json"
            else:
                kinds[Scalar("string") if media_type.startswith("text/") else BYTES] = None
                expects = "text" if media_type.startswith("text/") else "bytes"
    if not kinds:
        return NULL, expects
    return (next(iter(kinds)) if len(kinds) == 1 else Options(tuple(kinds))) or ANY, expects
