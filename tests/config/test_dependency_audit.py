"""The audit of pinned packages fails only for a vulnerability, and says when it could not look."""

import json
from typing import Any

import pytest

from config import dependency_audit
from config.dependency_audit import Audit, describe_audit, read_report, run_pip_audit


def make_report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


VULNERABLE = {
    "name": "django",
    "version": "5.2.0",
    "vulns": [{"id": "PYSEC-2025-1", "fix_versions": ["5.2.1"]}, {"id": "PYSEC-2025-2", "fix_versions": []}],
}
SOUND = {"name": "redis", "version": "6.0", "vulns": []}
UNKNOWN = {"name": "brotli", "skip_reason": "Dependency not found"}


def test_a_vulnerability_is_named_with_the_version_that_fixes_it() -> None:
    audit = read_report(make_report(VULNERABLE, SOUND, UNKNOWN))
    assert audit.vulnerabilities == [
        "django 5.2.0: PYSEC-2025-1, fixed in 5.2.1",
        "django 5.2.0: PYSEC-2025-2, fixed in no version",
    ]
    assert "PYSEC-2025-1" in describe_audit(audit)


def test_packages_that_the_service_does_not_know_are_named() -> None:
    audit = read_report(make_report(SOUND, UNKNOWN))
    assert describe_audit(audit) == (
        "No known vulnerability in 1 pinned packages. Not checked, because the service does not know them: brotli."
    )


@pytest.mark.parametrize("report", ["", "<html>", "[]", make_report(UNKNOWN)])
def test_a_silent_service_is_not_reported_as_a_clean_result(report: str) -> None:
    text = describe_audit(read_report(report, errors="Traceback\nConnectionError: no route"))
    assert text.startswith("NOT AUDITED")


@pytest.mark.parametrize(
    ("audits", "status"),
    [
        ([Audit(problem="no route")], 0),
        ([Audit(checked=1), Audit(checked=9)], 0),
        ([Audit(checked=1), Audit(checked=9, vulnerabilities=["django 5.2.0: PYSEC-2025-1, fixed in 5.2.1"])], 1),
    ],
)
def test_only_a_vulnerability_fails(audits: list[Audit], status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(audits)
    monkeypatch.setattr(dependency_audit, "run_pip_audit", lambda names: next(answers))
    assert dependency_audit.main() == status


def test_without_a_network_the_audit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nothing listens there
    monkeypatch.setenv("NO_PROXY", "")
    audit = run_pip_audit(dependency_audit.PROBE)
    assert (audit.checked, audit.vulnerabilities) == (0, [])
    assert describe_audit(audit).startswith("NOT AUDITED")


def test_the_audited_sets_contain_all_pins() -> None:
    pins = {
        name: {
            line.split("==")[0]
            for line in (dependency_audit.REQUIREMENTS / name).read_text().splitlines()
            if "==" in line
        }
        for name in ("runtime.txt", "demo.txt", "dev.txt")
    }
    assert pins["runtime.txt"] | pins["demo.txt"] <= pins["dev.txt"]
