"""Runs the checks of the doctor one after the other; a check that raises an exception is reported as an error."""

from collections.abc import Iterator
from dataclasses import dataclass

import redis
from django.db import Error
from django.utils.translation import gettext as _

from config.foundation.database.missing_tables import is_table_missing
from config.foundation.valkey import ValkeyDownError
from config.monitoring.doctor.base import Diagnosis, DoctorCheck, Verdict, list_checks, report_error, report_skipped

EXIT_CODES = {Verdict.OK: 0, Verdict.SKIPPED: 0, Verdict.WARNING: 1, Verdict.ERROR: 2}


@dataclass(frozen=True)
class CheckOutcome:
    """A check with one of its results."""

    check: DoctorCheck
    diagnosis: Diagnosis


def run_checks(*, is_quick: bool = False) -> Iterator[CheckOutcome]:
    """Yield the results of all checks."""
    for check in list_checks():
        if is_quick and check.is_slow:
            yield CheckOutcome(check, report_skipped(_("left out with --quick")))
            continue
        for diagnosis in run_safely(check):
            yield CheckOutcome(check, diagnosis)


def run_safely(check: DoctorCheck) -> list[Diagnosis]:
    try:
        return list(check.run())
    except (Error, redis.RedisError, ValkeyDownError) as error:
        text = _("could not be checked: %(error)s") % {"error": str(error).split("\n")[0]}
        if is_table_missing(error):
            return [report_error(text, "manage.py migrate")]
        if isinstance(error, Error):
            return [report_error(text, _("Start PostgreSQL, or correct DATABASE_URL."))]
        return [report_error(text, _("Start Valkey, or correct VALKEY_URL."))]
    except (OSError, ValueError, LookupError) as error:
        text = _("could not be checked: %(error)s") % {"error": str(error).split("\n")[0] or type(error).__name__}
        return [report_error(text, _("Fix the cause shown in the error, then run the doctor again."))]


def compute_exit_code(outcomes: list[CheckOutcome]) -> int:
    """Return 2 with an error, 1 with a warning, otherwise 0."""
    return max((EXIT_CODES[outcome.diagnosis.verdict] for outcome in outcomes), default=0)
