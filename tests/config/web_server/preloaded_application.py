"""A WSGI application that notes in which processes its module was prepared."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

processes = {"imported": os.getpid()}


def preload() -> None:
    processes["preloaded"] = os.getpid()


def start_worker() -> None:
    processes["started"] = os.getpid()


def application(environ: dict[str, Any], start_response: Callable[..., None]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(processes | {"serving": os.getpid()}).encode()]
