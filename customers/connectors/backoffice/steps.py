"""The steps that the pages of a connector show."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

STEPS: dict[str, Promise] = {
    "keys": _("Address and keys"),
    "preview": _("Preview"),
    "history": _("Import of the history"),
    "webhooks": _("Webhooks"),
}


@dataclass(frozen=True)
class SetUpStep:
    """A step; it is done, current or to come."""

    label: Promise
    state: str


def build_steps(current: str, *, with_webhooks: bool) -> list[SetUpStep]:
    """Return the steps. ``current``: empty if all are done."""
    keys = [key for key in STEPS if with_webhooks or key != "webhooks"]
    position = keys.index(current) if current in keys else len(keys)
    return [
        SetUpStep(STEPS[key], "done" if number < position else "current" if number == position else "later")
        for number, key in enumerate(keys)
    ]
