"""The six SDKs, each driven in a process of its own: a list of calls goes in, what was delivered comes out."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.browser.conftest import CHROMIUM
from tests.clients.installing import install_node_packages, install_old_python_client
from tests.clients.storefront import visit

FOLDER = Path(__file__).parent
STOREFRONT = FOLDER / "storefront.html"
MOST_SECONDS = 60

Call = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What the SDK itself says: which messages it takes for delivered, and what it was told or told itself of failures."""

    sdk: str
    delivered: list[str]
    errors: list[str]
    complaints: list[str] = field(default_factory=list)  # of the browser around it


class Sdk(Protocol):
    name: str
    honours_retry_after: bool
    most_a_call: int

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> Report: ...


def need_chromium() -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")


def run_program(command: list[str], task: dict[str, Any], **options: Any) -> Report:
    done = subprocess.run(
        command,
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_SECONDS,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return Report(**json.loads(done.stdout))


@dataclass(frozen=True)
class PythonSdk:
    name: str
    module: str
    honours_retry_after: bool
    old: bool = False
    most_a_call: int = 250

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> Report:
        command, environment = [sys.executable], dict(os.environ)
        if self.old:  # its requirements are older than those of the others, and it brings a second segment.analytics
            command += ["-S"]
            environment["PYTHONPATH"] = str(install_old_python_client())
        command += ["-W", "ignore::DeprecationWarning", str(FOLDER / "python" / "drive.py"), self.module]
        return run_program(command, {"calls": calls, "host": host, "writeKey": write_key}, env=environment)


@dataclass(frozen=True)
class NodeSdk:
    name: str
    program: str
    honours_retry_after: bool = True
    most_a_call: int = 249

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> Report:
        task = {"calls": calls, "host": host, "writeKey": write_key}
        return run_program(["node", self.program], task, cwd=install_node_packages())


@dataclass(frozen=True)
class BrowserSdk:
    name: str
    honours_retry_after: bool = True
    most_a_call: int = 250

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> Report:
        need_chromium()
        task = {"calls": calls, "host": host, "writeKey": write_key, "batches": len(calls) > 20}
        with visit(STOREFRONT.read_text(), node_folder=install_node_packages()) as opened:
            made = opened.page.evaluate("task => drive(task)", task)
            opened.wait_for(set(made["made"]))
        strange = [address for address in opened.addresses if not address.startswith((opened.shop, host, "data:"))]
        assert strange == [], "nothing of a visitor may go to a third party"
        return Report(made["sdk"], opened.delivered, made["errors"], opened.complaints)


SDKS: list[Sdk] = [
    PythonSdk("segment-analytics-python", "segment.analytics", honours_retry_after=True),
    PythonSdk("rudder-sdk-python", "rudderstack.analytics", honours_retry_after=False),
    PythonSdk("analytics-python", "analytics", honours_retry_after=False, old=True),
    NodeSdk("@segment/analytics-node", "segment.cjs", most_a_call=250),
    NodeSdk("@rudderstack/rudder-sdk-node", "rudderstack.cjs"),  # its first call goes by itself
    BrowserSdk("@segment/analytics-next"),
]
