"""A WSGI application for tests of the web server, which need no database."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROWS = 200_000


def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ValueError(path)
    if path == "/rows":
        start_response("200 OK", [("Content-Type", "text/csv")])
        return stream_rows()
    if path == "/hold":
        hold(Path(environ["QUERY_STRING"]))
    body = environ["wsgi.input"].read()
    if path != "/echo":
        texts = {name: value for name, value in environ.items() if isinstance(value, str)}
        body = json.dumps(texts | {"body": body.decode()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [body]


def hold(folder: Path) -> None:
    """Note in a folder that a request has begun, and wait until the test lets it go on."""
    (folder / f"begun-{time.monotonic_ns()}-{threading.get_ident()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)


def stream_rows() -> Iterator[bytes]:
    for number in range(ROWS):
        yield b"%07d\n" % number
