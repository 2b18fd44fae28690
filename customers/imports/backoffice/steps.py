"""The steps that the pages of an import show."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

STEPS: dict[str, Promise] = {
    "file": _("File"),
    "columns": _("Columns"),
    "check": _("Check"),
    "import": _("Import"),
}


@dataclass(frozen=True)
class WizardStep:
    """A step; it is done, current or to come."""

    label: Promise
    state: str


def build_steps(current: str) -> list[WizardStep]:
    keys = list(STEPS)
    position = keys.index(current)
    return [
        WizardStep(STEPS[key], "done" if number < position else "current" if number == position else "later")
        for number, key in enumerate(keys)
    ]
