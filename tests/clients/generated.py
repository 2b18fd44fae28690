"""The generated clients, written and built once for a test run, and the parameters that call each operation."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from config.api_clients.document import build_document
from config.api_clients.operations import ClientModel, Operation, read_document
from config.api_clients.python_writer import write_python_client
from config.api_clients.types import build_empty_value
from config.api_clients.typescript_writer import write_typescript_client
from tests.config.access.sample_objects import SAMPLE_IDS

SAMPLE_QUERY = {"q": "kettle", "other": SAMPLE_IDS["key"], "placement": "popup"}


@cache
def read_model() -> ClientModel:
    return read_document(build_document())


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@cache
def import_python_client() -> Any:
    """Return the generated package; its folder stays until the machine clears its temporary files."""
    folder = write_files(Path(mkdtemp(prefix="perennial-client-")), write_python_client(read_model()))
    sys.path.insert(0, str(folder))
    import perennial_client  # type: ignore[import-not-found]  # written a moment ago

    return perennial_client


def build_typescript_client(folder: Path, *, node_packages: Path) -> Path:
    """Compile the generated package as its users do, with every check of its own tsconfig.json; return its main module."""
    write_files(folder, write_typescript_client(read_model()))
    compiler = node_packages / "typescript" / "bin" / "tsc"
    process = subprocess.run(
        ["node", str(compiler), "--project", str(folder)], capture_output=True, text=True, check=False, timeout=300
    )
    assert process.returncode == 0, process.stdout
    return folder / "dist" / "index.js"


def build_parameters(operation: Operation) -> dict[str, Any]:
    """Return the path parameters, the required query parameters and a body with the required fields of an operation."""
    parameters = {member.name: SAMPLE_IDS[member.name] for member in operation.path_parameters}
    for member in operation.query:
        if member.is_required:
            parameters[member.name] = SAMPLE_QUERY[member.name]
    if operation.body is not None:
        parameters["body"] = build_empty_value(operation.body, read_model().declarations)
    return parameters
