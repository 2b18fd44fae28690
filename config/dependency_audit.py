"""Checks the pinned requirements for known vulnerabilities: ``python -m config.dependency_audit``, part of ``make check``.

Fails only for a vulnerability. Where the vulnerability service cannot be reached, or does not know the pinned versions, it says so.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
# One package: if the service does not answer for it, nothing else is asked.
PROBE = ("uv.txt",)
PINNED_SETS = ("dev.txt", "docs.txt", "uv.txt", "analytics-python.txt")  # dev.txt has the packages of the other sets
OPTIONS = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "5")
MAX_SECONDS = 180


@dataclass(frozen=True)
class Audit:
    """The answer of the service: vulnerabilities as lines of text, and pins that it could not check."""

    checked: int = 0
    vulnerabilities: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    problem: str = ""


def main() -> int:
    probe = run_pip_audit(PROBE)
    audit = run_pip_audit(PINNED_SETS) if probe.checked else probe
    print(describe_audit(audit))
    return 1 if audit.vulnerabilities else 0


def run_pip_audit(names: Sequence[str]) -> Audit:
    """Run pip-audit over pinned sets; nothing is resolved or installed."""
    files = [option for name in names for option in ("--requirement", str(REQUIREMENTS / name))]
    command = [sys.executable, "-m", "pip_audit", *OPTIONS, *files]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Audit(problem=f"no result within {MAX_SECONDS} s")
    return read_report(result.stdout, errors=result.stderr)


def read_report(report: str, *, errors: str = "") -> Audit:
    """Read pip-audit's report, which is empty if the service failed."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = [line for line in errors.splitlines() if line.strip()]
        return Audit(problem=lines[-1].strip() if lines else "pip-audit printed no report")
    checked = [entry for entry in dependencies if "skip_reason" not in entry]
    vulnerabilities = [
        f"{entry['name']} {entry['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for entry in checked
        for found in entry["vulns"]
    ]
    unchecked = [entry["name"] for entry in dependencies if "skip_reason" in entry]
    return Audit(len(checked), sorted(set(vulnerabilities)), unchecked)


def describe_audit(audit: Audit) -> str:
    """Return the text for the terminal."""
    if audit.vulnerabilities:
        advice = "Raise the bound in pyproject.toml, then run `make requirements`."
        return "\n".join(["Known vulnerabilities:", *audit.vulnerabilities, advice])
    if not audit.checked:
        reason = audit.problem or "the package index has no vulnerability data for the pinned versions"
        return f"NOT AUDITED: the pinned packages could not be checked for vulnerabilities ({reason}). Continuing."
    text = f"No known vulnerability in {audit.checked} pinned packages."
    if audit.unchecked:
        text += f" Not checked, because the service does not know them: {', '.join(audit.unchecked)}."
    return text


if __name__ == "__main__":
    sys.exit(main())
