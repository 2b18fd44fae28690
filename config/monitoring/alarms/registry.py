"""The registry of alarm rules. A package adds its own in a module `alarm_rules.py`, which is imported at the first use."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.utils.functional import Promise
from django.utils.module_loading import autodiscover_modules

from config.monitoring.models import Severity

type Details = dict[str, Any]


@dataclass(frozen=True)
class AlarmContext:
    """When a rule is checked, with which threshold, and since when checks have run without a break."""

    now: datetime
    threshold: float
    checked_since: datetime

    @property
    def has_watched_for(self) -> timedelta:
        return self.now - self.checked_since


@dataclass(frozen=True)
class AlarmFinding:
    """A problem. details: JSON values for the message, without personal data. The severity replaces that of the rule."""

    subject: str = ""
    details: Details = field(default_factory=dict)
    severity: Severity | None = None


@dataclass(frozen=True)
class AlarmMessage:
    """An alarm in the reader's language: what is wrong, what to do, and on which page."""

    title: str
    advice: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmRule:
    """A condition that is checked regularly.

    Attributes:
        find: yields the current problems. describe: returns the message of an alarm by subject and details.
        threshold, unit: the default of the number that operators may change, and what it counts; None if there is none.
        every: the time between two checks, for checks that call other servers.
        is_local: whether a check sees only its own machine. Subjects then begin with the name of the machine and a colon, and a check leaves
            the alarms of other machines as they are until they have not been seen for LOCAL_ALARM_AGE.
    """

    key: str
    label: str | Promise
    find: Callable[[AlarmContext], Iterator[AlarmFinding]]
    describe: Callable[[str, Details], AlarmMessage]
    severity: Severity = Severity.WARNING
    threshold: float | None = None
    unit: str | Promise = ""
    every: timedelta = timedelta(0)
    is_local: bool = False


_rules: dict[str, AlarmRule] = {}


def register_rules(*rules: AlarmRule) -> None:
    """Add rules; one with the key of an earlier rule replaces it."""
    _rules.update({rule.key: rule for rule in rules})


@cache
def _discover() -> None:
    autodiscover_modules("alarm_rules")


def list_rules() -> Mapping[str, AlarmRule]:
    """Return all rules by key, in the order of registration."""
    _discover()
    return _rules
