"""``manage.py doctor``: checks the whole installation and prints the fix of everything that is wrong."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from config.foundation.number_formats import join_label
from config.foundation.shop.profile import get_shop
from config.monitoring.doctor.base import Verdict
from config.monitoring.doctor.running import CheckOutcome, compute_exit_code, run_checks

SIGNS = {Verdict.OK: "✓", Verdict.SKIPPED: "–", Verdict.WARNING: "!", Verdict.ERROR: "✗"}


class Command(BaseCommand):
    help = "Check the installation and print how to fix each problem. Exit status: 0 all is well, 1 warnings, 2 errors."
    requires_system_checks: list[str] = []  # it reports them itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--quick", action="store_true", help="skip checks that wait for other servers")
        parser.add_argument(
            "--language",
            choices=[code for code, _label in settings.LANGUAGES],
            help="language of the texts; default: that of the shop",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with override(options["language"] or find_language()):
            outcomes = []
            for outcome in run_checks(is_quick=options["quick"]):
                outcomes.append(outcome)
                if not options["json"]:
                    self.print_outcome(outcome)
            code = compute_exit_code(outcomes)
            if options["json"]:
                self.stdout.write(json.dumps(format_json(outcomes, code), ensure_ascii=False, indent=2))
            else:
                self.stdout.write(summarize(outcomes))
        if code:
            sys.exit(code)

    def print_outcome(self, outcome: CheckOutcome) -> None:
        diagnosis = outcome.diagnosis
        styles = {Verdict.WARNING: self.style.WARNING, Verdict.ERROR: self.style.ERROR}
        line = f"{SIGNS[diagnosis.verdict]} {join_label(outcome.check.label, diagnosis.text)}"
        style = styles.get(diagnosis.verdict)
        self.stdout.write(style(line) if style else line)
        if diagnosis.fix:
            self.stdout.write(f"  → {diagnosis.fix}")


def find_language() -> str:
    """Return the language of the shop; the default one while the database does not answer."""
    try:
        return get_shop().language
    except Error:
        return settings.LANGUAGE_CODE


def summarize(outcomes: list[CheckOutcome]) -> str:
    """Return the number of problems in one sentence."""
    verdicts = [outcome.diagnosis.verdict for outcome in outcomes]
    errors, warnings = verdicts.count(Verdict.ERROR), verdicts.count(Verdict.WARNING)
    if not errors and not warnings:
        return _("All is well.")
    return _("%(errors)s, %(warnings)s.") % {
        "errors": ngettext("%(count)d error", "%(count)d errors", errors) % {"count": errors},
        "warnings": ngettext("%(count)d warning", "%(count)d warnings", warnings) % {"count": warnings},
    }


def format_json(outcomes: list[CheckOutcome], code: int) -> dict[str, Any]:
    return {
        "status": {0: "ok", 1: "warning", 2: "error"}[code],
        "checks": [
            {
                "check": outcome.check.key,
                "verdict": str(outcome.diagnosis.verdict),
                "text": outcome.diagnosis.text,
                "fix": outcome.diagnosis.fix,
            }
            for outcome in outcomes
        ],
    }
