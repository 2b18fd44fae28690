"""The six SDKs, each run in its own process: it gets a list of calls and reports the delivered messages."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.chromium import CHROMIUM
from tests.clients.sdk_packages import install_node_packages, install_old_python_client
from tests.clients.storefront import visit_page

FOLDER = Path(__file__).parent
STOREFRONT = FOLDER / "storefront.html"
MAX_SECONDS = 300

Call = dict[str, Any]


@dataclass(frozen=True)
class SdkReport:
    """The report of an SDK: delivered messages, and the errors it received or raised."""

    sdk: str
    delivered: list[str]
    errors: list[str]
    browser_errors: list[str] = field(default_factory=list)  # console and script errors of the browser


class Sdk(Protocol):
    name: str
    honors_retry_after: bool
    max_call_size: int

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> SdkReport: ...


def require_chromium() -> None:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")


def run_program(command: list[str], task: dict[str, Any], **options: Any) -> SdkReport:
    process = subprocess.run(
        command,
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        timeout=MAX_SECONDS,
        **options,
    )
    assert process.returncode == 0, process.stderr
    return SdkReport(**json.loads(process.stdout))


@dataclass(frozen=True)
class PythonSdk:
    name: str
    module: str
    honors_retry_after: bool
    old: bool = False
    max_call_size: int = 250

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> SdkReport:
        command, environment = [sys.executable], dict(os.environ)
        if self.old:  # its requirements are outdated, and it contains a second segment.analytics
            command += ["-S"]
            environment["PYTHONPATH"] = str(install_old_python_client())
        command += ["-W", "ignore::DeprecationWarning", str(FOLDER / "python" / "drive.py"), self.module]
        return run_program(command, {"calls": calls, "host": host, "writeKey": write_key}, env=environment)


@dataclass(frozen=True)
class NodeSdk:
    name: str
    program: str
    honors_retry_after: bool = True
    max_call_size: int = 249

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> SdkReport:
        task = {"calls": calls, "host": host, "writeKey": write_key}
        return run_program(["node", self.program], task, cwd=install_node_packages())


@dataclass(frozen=True)
class BrowserSdk:
    name: str
    honors_retry_after: bool = True
    max_call_size: int = 250

    def send(self, calls: Sequence[Call], *, host: str, write_key: str) -> SdkReport:
        require_chromium()
        task = {"calls": calls, "host": host, "writeKey": write_key, "batches": len(calls) > 20}
        with visit_page(STOREFRONT.read_text(), node_folder=install_node_packages()) as opened:
            result = opened.page.evaluate("task => drive(task)", task)
            opened.wait_for(set(result["made"]))
        third_party = [address for address in opened.addresses if not address.startswith((opened.shop, host, "data:"))]
        assert third_party == [], "no visitor data may go to a third party"
        return SdkReport(result["sdk"], opened.delivered, result["errors"], opened.browser_errors)


SDKS: list[Sdk] = [
    PythonSdk("segment-analytics-python", "segment.analytics", honors_retry_after=True),
    PythonSdk("rudder-sdk-python", "rudderstack.analytics", honors_retry_after=False),
    PythonSdk("analytics-python", "analytics", honors_retry_after=False, old=True),
    NodeSdk("@segment/analytics-node", "segment.cjs", max_call_size=250),
    NodeSdk("@rudderstack/rudder-sdk-node", "rudderstack.cjs"),  # sends its first call alone
    BrowserSdk("@segment/analytics-next"),
]
