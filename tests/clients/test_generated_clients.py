"""The generated clients call every operation of a running server, pass the strictest type checks, and survive its faults."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.access.scopes import KNOWN_SCOPES
from config.api_clients.javascript_writer import RUNTIME as JAVASCRIPT_RUNTIME
from config.api_clients.javascript_writer import write_javascript_client
from config.api_clients.operations import select_operations
from config.api_clients.python_writer import write_python_client
from config.api_clients.typescript_writer import to_camel
from tests.clients.faulty_server import FaultyAnswer, refuse, run_faulty_server
from tests.clients.generated import (
    build_parameters,
    build_typescript_client,
    import_python_client,
    read_model,
    write_files,
)
from tests.clients.sdk_packages import NODE_PACKAGES, ROOT, install_node_packages
from tests.config.access.callers import make_key
from tests.config.access.sample_objects import make_sample_objects
from tests.makers import make_product
from tests.ports import reserve_port

pytestmark = pytest.mark.acceptance

HOST = "https://perennial.example"
PAGES = ["clients", "quickstart-custom-shop", "recipes"]
WRITE_DEMO_CLIENT = (
    "manage.py generate_client --language javascript --operation recommendations --operation search "
    "--output config/storefront/static/storefront/client"
)
PROBLEM = "urn:perennial:problem:"
PATIENCE_SECONDS = 300  # a busy machine is no failure of a client
# answers to an empty body, to an object that an earlier call deleted, or that is in another state
EXPECTED_REFUSALS = {400, 404, 409, 422}


def test_the_python_client_passes_strict_type_checks(tmp_path: Path) -> None:
    folder = write_files(tmp_path, write_python_client(read_model()))
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--python-version=3.11",
        "--cache-dir=/dev/null",
    ]
    process = subprocess.run(
        [*command, "--follow-imports=silent", "perennial_client"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout


@pytest.mark.django_db(transaction=True)
def test_the_python_client_calls_every_operation(server: str) -> None:
    make_sample_objects()
    package = import_python_client()
    outcomes: dict[str, Any] = {}
    run_python_snippets(server)
    with package.Client(server, make_key(*KNOWN_SCOPES)[1], timeout=PATIENCE_SECONDS) as client:
        for operation in read_model().operations:
            outcomes[operation.name] = get_outcome(
                package, getattr(client, operation.name), build_parameters(operation)
            )
    check_outcomes(outcomes)

    _key, limited = make_key("catalog:read", requests_per_minute=1)
    with package.Client(server, limited, retries=0, timeout=PATIENCE_SECONDS) as client:
        # a minute may end between two of them, not between all three
        outcomes = [get_outcome(package, client.products_list, {}) for _number in range(3)]
    assert 429 in outcomes


def run_python_snippets(server: str) -> None:
    """Run what the pages show with the Python client, with a key that may call everything."""
    make_product("sku-1", title="Blue kettle")
    secret = make_key(*KNOWN_SCOPES)[1]
    for page in PAGES:
        for code in read_snippets(page, "python"):
            filled = code.replace(HOST, server).replace("YOUR_API_KEY", secret)
            printed: list[Any] = []
            names: dict[str, Any] = {"print": printed.append}
            exec(compile(filled, page, "exec"), names)
            names["perennial"].close()
            if "recommendations_batch" in code:
                assert names["rows"].keys() == {"top", "bottom"}, "a row for each placement"
            # an answer to several objects is a success even if it rejects some of them
            assert [answer for answer in printed if isinstance(answer, dict) and answer.get("rejected")] == []


def read_snippets(page: str, language: str) -> list[str]:
    """Return the snippets of a page, which are the same in both languages."""
    english, chinese = (
        re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / name).read_text(), re.DOTALL | re.MULTILINE)
        for name in (f"{page}.md", f"{page}.zh-hans.md")
    )
    assert english == chinese != []
    return english


def get_outcome(package: Any, call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Return "ok", or the status of a refusal whose body is a problem of the API."""
    try:
        call(**parameters)
    except package.ApiError as error:
        refusal = error
    else:
        return "ok"
    assert refusal.problem.get("type", "").startswith(PROBLEM), (call.__name__, refusal.status, refusal.problem)
    assert refusal.status != 429 or refusal.retry_after > 0
    return refusal.status


def check_outcomes(outcomes: dict[str, Any]) -> None:
    assert outcomes.keys() == {operation.name for operation in read_model().operations}
    wrong = {name: outcome for name, outcome in outcomes.items() if outcome not in {"ok", *EXPECTED_REFUSALS}}
    assert not wrong
    assert sum(outcome == "ok" for outcome in outcomes.values()) > 80


@pytest.mark.django_db(transaction=True)
def test_the_typescript_client_compiles_strictly_and_calls_every_operation(server: str, tmp_path: Path) -> None:
    node = install_node_packages()
    make_sample_objects()
    example = tmp_path / "src" / "example.ts"
    example.parent.mkdir()
    [code] = read_snippets("clients", "ts")
    example.write_text(code.replace(HOST, server).replace("YOUR_API_KEY", make_key(kind="publishable")[1]))
    module = build_typescript_client(tmp_path, node_packages=NODE_PACKAGES)
    check_javascript(module.parent)
    process = subprocess.run(["node", str(module.with_name("example.js"))], capture_output=True, text=True, check=False)
    # The server may know the products of the test before for a few seconds more.
    assert (process.returncode, process.stderr) == (0, "")
    assert "kettle" in process.stdout.splitlines()
    operations = {}
    for operation in read_model().operations:
        has_parameters = operation.path_parameters or operation.query or operation.body is not None
        operations[operation.name] = {
            "method": to_camel(operation.name),
            "parameters": build_parameters(operation) if has_parameters else None,
        }
    hidden, hurried = (
        {"neverThrow": True, "pageTimeout": PATIENCE_SECONDS * 1000},
        {"neverThrow": True, "pageTimeout": 300},
    )
    popular = {"method": "recommendations", "parameters": {"scenario": "popular"}}
    listed = {"method": "productsList", "parameters": {}}
    rank = {"method": "rank", "parameters": {"body": {"product_ids": ["b", "a"]}}}
    with run_faulty_server() as busy, run_faulty_server() as slow:
        busy.plan([refuse(429, Retry_After="0"), refuse(503), FaultyAnswer(content='{"results": []}'), refuse(503)])
        slow.plan([FaultyAnswer(hangs=True)])
        down = f"http://127.0.0.1:{reserve_port()}"
        report = run_node(
            node / "generated.mjs",
            {"module": module.as_uri(), "url": server, "key": make_key(*KNOWN_SCOPES)[1], "operations": operations}
            | {
                "pages": [
                    {"url": busy.url, "options": {"timeout": PATIENCE_SECONDS * 1000}, **listed},
                    {"url": busy.url, "options": hidden, **popular},
                    {"url": slow.url, "options": hurried, **popular},
                    {"url": down, "options": hidden, **rank},
                    {"url": down, "options": {"timeout": 300}, **listed},
                    {"url": server, "options": {}, "method": "product", "parameters": {"product_id": ".."}},
                ]
            },
        )
    answers = report["answers"]
    assert all(answer.get("ok") or answer["type"].startswith(PROBLEM) for answer in answers.values())
    check_outcomes({name: "ok" if answer.get("ok") else answer["status"] for name, answer in answers.items()})
    repeated, busy_page, slow_page, down_page, failed, refused = report["pages"]
    assert repeated["answer"] == {"results": []}
    for page, error in ((busy_page, "ApiError"), (slow_page, "ConnectionFailedError")):
        assert (page["answer"]["scenario"], page["answer"]["items"], page["errors"]) == ("popular", [], [error])
    assert [item["product_id"] for item in down_page["answer"]["items"]] == ["b", "a"]
    assert (failed["error"], refused["error"]) == ("ConnectionFailedError", "InvalidParameterError")


def check_javascript(compiled: Path) -> None:
    """Check that the JavaScript runtime is the compiled TypeScript, and that the demo shop has the client of this version."""
    for name in ("transport.js", "fallbacks.js"):
        assert (JAVASCRIPT_RUNTIME / name).read_text() == (compiled / name).read_text(), name
    files = write_javascript_client(select_operations(read_model(), ["recommendations", "search"]))
    folder = ROOT / "config" / "storefront" / "static" / "storefront" / "client"
    assert {path.name: path.read_text() for path in folder.iterdir()} == files, f"write it anew: {WRITE_DEMO_CLIENT}"


def run_node(program: Path, task: dict[str, Any]) -> Any:
    process = subprocess.run(
        ["node", str(program)], input=json.dumps(task), capture_output=True, text=True, check=False, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)
