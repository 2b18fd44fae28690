"""Every operation of the REST API refuses query parameters and body fields that it does not have, and names them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from config.access.scopes import KNOWN_SCOPES
from tests.config.access.callers import make_client
from tests.config.access.sample_objects import SAMPLE_IDS, make_sample_objects

pytestmark = pytest.mark.django_db
UNKNOWN = "definitely_unknown"
METHODS = ("get", "post", "put", "patch", "delete")
# these read no request at all: the document of the API, in the language and format that the client asks for
EXCEPTIONS = {"GET /api/v1/schema/"}


def list_operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation as "METHOD path", with its description."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                yield f"{method.upper()} {path}", operations[method]


def send(client: Client, operation: str, query: str, body: Any = None) -> Any:
    method, path = operation.split(" ")
    content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    return client.generic(method, path.format(**SAMPLE_IDS) + query, **content)


def find_codes(response: Any) -> list[str]:
    """Return the codes of the errors that name the unknown parameter or field."""
    return [error["code"] for error in response.json().get("errors", []) if error["field"] == UNKNOWN]


def test_every_operation_refuses_unknown_names(client: Client) -> None:
    make_sample_objects()
    caller = make_client(*KNOWN_SCOPES)
    wrong, count = [], 0
    for operation, description in list_operations():
        if operation in EXCEPTIONS:
            continue
        count += 1
        body = {UNKNOWN: 1} if "requestBody" in description else None
        by_query = send(caller, operation, f"?{UNKNOWN}=1", {} if body else None)
        if by_query.status_code != 400 or find_codes(by_query) != ["unknown_name"]:
            wrong.append(f"{operation} with an unknown parameter: {by_query.status_code} {by_query.content[:200]!r}")
        if body is not None:
            by_body = send(caller, operation, "", body)
            if by_body.status_code != 400 or not find_codes(by_body):
                wrong.append(f"{operation} with an unknown field: {by_body.status_code} {by_body.content[:200]!r}")
    assert count > 40
    assert not wrong, "\n".join(wrong)
