"""Writes the JavaScript client: ES modules that a page loads as they are, without a compiler.

Its runtime is what the TypeScript compiler makes of the TypeScript runtime; a test compiles it again and compares.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from config.api_clients.operations import ClientModel, Operation
from config.api_clients.typescript_writer import HEADER, to_camel, write_call, write_comment

RUNTIME = Path(__file__).parent / "javascript_runtime"
INDEX = HEADER + 'export * from "./client.js";\nexport * from "./transport.js";\n'


def write_javascript_client(model: ClientModel) -> dict[str, str]:
    """Return the modules by path."""
    files = {"index.js": INDEX, "client.js": write_client(model)}
    for name in ("fallbacks.js", "transport.js"):
        files[name] = (RUNTIME / name).read_text(encoding="utf-8")
    return files


def write_client(model: ClientModel) -> str:
    empty = {operation.name: operation.empty for operation in model.operations if operation.empty is not None}
    answers = f"const EMPTY_ANSWERS = {json.dumps(empty, indent=2, ensure_ascii=False)};\n"
    doc = "/** A client of the REST API; one method for each of its operations. */\n"
    methods = "\n".join(map(write_method, model.operations))
    return f'{HEADER}import {{ Transport }} from "./transport.js";\n\n{answers}\n{doc}export class Client extends Transport {{\n{methods}}}\n'


def write_method(operation: Operation) -> str:
    comment = write_comment(f"{operation.description.strip()}\n\nScope: {operation.scope}", indent="  ")
    call = "".join(f"      {line},\n" for line in write_call(operation))
    arguments = ", ".join([*list_parameters(operation), "options = {}"])
    return f"{comment}  {to_camel(operation.name)}({arguments}) {{\n    return this.call({{\n{call}    }});\n  }}\n"


def list_parameters(operation: Operation) -> Iterator[str]:
    members = [*operation.path_parameters, *operation.query]
    if members or operation.body is not None:
        is_required = any(member.is_required for member in members) or operation.body_is_required
        yield "parameters" if is_required else "parameters = {}"
