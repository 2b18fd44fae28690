"""The type of a doctor check, and the registry of all checks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.module_loading import autodiscover_modules


class Verdict(StrEnum):
    """How serious a result is; the exit code of the command is 0, 1 or 2."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Diagnosis:
    """The result of a check: what was found, and for a problem the fix."""

    verdict: Verdict
    text: str
    fix: str = ""


@dataclass(frozen=True)
class DoctorCheck:
    """A check. key: stable, for scripts. is_slow: it waits for other servers and is left out with --quick."""

    key: str
    label: str | Promise
    run: Callable[[], Iterator[Diagnosis]]
    is_slow: bool = False


_checks: dict[str, DoctorCheck] = {}


def register_checks(*checks: DoctorCheck) -> None:
    """Add checks, in the module `doctor_checks.py` of an app."""
    _checks.update({check.key: check for check in checks})


def list_checks() -> list[DoctorCheck]:
    """Return all checks in the order of registration."""
    autodiscover_modules("doctor_checks")
    return list(_checks.values())


def report_ok(text: str) -> Diagnosis:
    return Diagnosis(Verdict.OK, text)


def report_skipped(text: str) -> Diagnosis:
    return Diagnosis(Verdict.SKIPPED, text)


def report_warning(text: str, fix: str) -> Diagnosis:
    return Diagnosis(Verdict.WARNING, text, fix)


def report_error(text: str, fix: str) -> Diagnosis:
    return Diagnosis(Verdict.ERROR, text, fix)
