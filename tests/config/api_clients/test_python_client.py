"""The generated Python client: every operation of the document, time-outs, retries and fallbacks."""

import inspect
import json
import logging
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from packaging.version import Version

from config.api_clients.javascript_writer import write_javascript_client
from config.api_clients.operations import select_operations
from config.api_clients.python_writer import write_python_client
from config.api_clients.types import Literals, Options, Scalar, TypeReader
from config.api_clients.typescript_writer import write_typescript_client
from tests.clients.faulty_server import FaultyAnswer, FaultyServer, refuse, run_faulty_server
from tests.clients.generated import import_python_client, read_model
from tests.ports import reserve_port

HANG = FaultyAnswer(hangs=True)
NOW = {"Retry_After": "0"}


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyServer]:
    with run_faulty_server() as server:
        yield server


def make_client(faulty: FaultyServer, **options: Any) -> Any:
    return import_python_client().Client(
        faulty.url, "sk_live_x", **{"timeout": 300.0, "page_timeout": 300.0, **options}
    )


def test_every_operation_of_the_document_is_a_method() -> None:
    model = read_model()
    methods = {name for name, _method in inspect.getmembers(import_python_client().Client, inspect.isfunction)}
    assert {operation.name for operation in model.operations} <= methods
    assert len(model.operations) == len({operation.name for operation in model.operations}) > 130


def test_packages_have_the_version_of_the_api_which_installers_accept() -> None:
    version = settings.SPECTACULAR_SETTINGS["VERSION"]
    project = tomllib.loads(write_python_client(read_model())["pyproject.toml"])["project"]
    package = json.loads(write_typescript_client(read_model())["package.json"])
    assert (str(Version(project["version"])), package["version"]) == (version, version)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_is_repeated_until_the_server_answers(faulty: FaultyServer, status: int) -> None:
    faulty.plan([refuse(status, **NOW), refuse(status), FaultyAnswer(content='{"results": []}')])
    assert make_client(faulty).products_list(limit=5, is_active=True) == {"results": []}
    assert [request.path for request in faulty.requests] == ["/api/v1/products/?is_active=true&limit=5"] * 3


def test_a_write_is_repeated_with_the_same_idempotency_key_only(faulty: FaultyServer) -> None:
    faulty.plan([refuse(503), FaultyAnswer()])
    make_client(faulty).orders_upsert({"orders": []})
    keys = [request.headers["idempotency-key"] for request in faulty.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    faulty.plan([refuse(503), FaultyAnswer()])
    with pytest.raises(import_python_client().ApiError, match="503"):
        make_client(faulty).forms_newsletter({"email": "ada@example.com"})
    assert len(faulty.requests) == 1


def test_a_refusal_is_raised_with_its_problem_and_not_repeated(faulty: FaultyServer) -> None:
    faulty.plan([refuse(400)])
    with pytest.raises(import_python_client().ApiError) as caught:
        make_client(faulty).product("sku/1 ?")
    assert (caught.value.status, caught.value.problem["detail"]) == (400, "No.")
    assert [request.path for request in faulty.requests] == ["/api/v1/products/sku%2F1%20%3F/"]


def test_a_pause_that_the_time_does_not_allow_is_not_waited_for(faulty: FaultyServer) -> None:
    faulty.plan([refuse(429, Retry_After="86400")])  # a day
    with pytest.raises(import_python_client().ApiError) as caught:
        make_client(faulty).products_list()
    assert caught.value.retry_after == 86400
    faulty.plan([refuse(503, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")])
    with pytest.raises(import_python_client().ApiError) as caught:
        make_client(faulty).products_list()
    assert caught.value.retry_after > 10**9


def test_a_slow_server_ends_in_an_error_or_a_fallback(faulty: FaultyServer, caplog: pytest.LogCaptureFixture) -> None:
    faulty.plan([HANG])
    with pytest.raises(import_python_client().ConnectionFailedError):
        make_client(faulty, retries=0).products_list(timeout=0.1)
    with caplog.at_level(logging.WARNING, "perennial"):
        answer = make_client(faulty, never_raise=True, page_timeout=0.1).recommendations("for-you", n=4)
    assert (answer["scenario"], answer["items"], answer["recommendation_id"]) == ("for-you", [], "")
    assert "recommendations" in caplog.text


@pytest.mark.parametrize("answer", [refuse(401), refuse(500), refuse(503), FaultyAnswer(content="<html>")])
def test_a_page_never_fails(faulty: FaultyServer, answer: FaultyAnswer) -> None:
    faulty.plan([answer])
    client = make_client(faulty, never_raise=True)
    assert client.search(q="tea")["items"] == []
    assert client.recommendations("similar", fallback={"items": ["mine"]}) == {"items": ["mine"]}
    ranked = client.rank({"product_ids": ["b", "a"]})["items"]
    assert [(item["product_id"], item["rank"]) for item in ranked] == [("b", 1), ("a", 2)]
    batch = client.recommendations_batch({"placements": [{"scenario": "new"}, {"scenario": "popular", "key": "top"}]})
    assert [(part["key"], part["items"]) for part in batch["placements"]] == [("new", []), ("top", [])]
    with pytest.raises(import_python_client().PerennialError):
        client.offers_list()  # no page needs it


def test_a_server_that_is_down_never_breaks_a_page() -> None:
    address = f"http://127.0.0.1:{reserve_port()}"
    client = import_python_client().Client(address, "pk_live_x", never_raise=True)
    assert client.recommendations("popular")["items"] == []
    assert client.recommendations("..")["items"] == []
    with pytest.raises(import_python_client().ConnectionFailedError):
        client.products_list(timeout=0.3)


def test_a_user_token_and_a_language_go_with_each_call(faulty: FaultyServer) -> None:
    faulty.plan([FaultyAnswer()])
    tokens = iter(["first", "second"])
    client = make_client(faulty, user_token=lambda: next(tokens), language="zh-hans")
    client.recommendations("for-you", user_id="ada")
    client.recommendations("for-you", user_id="ada")
    client.recommendations("for-you", user_id="bob", user_token="his")
    assert [request.headers["x-user-token"] for request in faulty.requests] == ["first", "second", "his"]
    assert {request.headers["accept-language"] for request in faulty.requests} == {"zh-hans"}
    assert faulty.requests[0].headers["authorization"] == "Bearer sk_live_x"


def test_types_of_a_document() -> None:
    types = TypeReader()
    types.read_components(
        {
            "Tree": {"oneOf": [{"$ref": "#/components/schemas/Leaf"}, {"type": "string", "nullable": True}]},
            "Leaf": {
                "type": "object",
                "properties": {"from": {"enum": ["a", "b"]}, "inner": {"properties": {"x": {}}}},
            },
        }
    )
    assert set(types.declarations) == {"Tree", "Leaf", "LeafInner"}
    assert types.declarations["Leaf"].members[0].type == Literals(("a", "b"))
    assert isinstance(tree := types.declarations["Tree"].alias, Options)
    assert tree.types[1] == Options((Scalar("string"), Scalar("null")))


def test_the_javascript_client_names_a_missing_body(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    model = select_operations(read_model(), ["recommendations_batch"])
    for name, content in write_javascript_client(model).items():
        (tmp_path / name).write_text(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "call.js").write_text(
        'import { Client } from "./index.js"\n'
        'const client = new Client({ url: "http://127.0.0.1:1", key: "k", neverThrow: true })\n'
        "await client.recommendationsBatch({ placements: [] }).catch((error) => console.log(error.name, error.message))\n"
    )
    process = subprocess.run([node, tmp_path / "call.js"], capture_output=True, text=True, check=False, timeout=300)
    assert process.stdout == (
        "InvalidParameterError recommendations_batch has no body; give it as { body: { … } }.\n"
    ), process.stderr
