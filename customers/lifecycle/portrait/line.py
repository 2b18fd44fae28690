"""The lines of a customer portrait."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_age, format_whole_percent

MIN_FACTS = 3


class PortraitGroup(TextChoices):
    IDENTITY = "identity", gettext_lazy("Basic information")
    PREFERENCES = "preferences", gettext_lazy("Preferences")
    BUYING = "buying", gettext_lazy("Buying habits")
    ENGAGEMENT = "engagement", gettext_lazy("Engagement")


class FactSource(TextChoices):
    """Where the facts of a line come from.

    `shop` is an import, a REST call or an edit in the back office.
    """

    IDENTIFY = "identify", gettext_lazy("identify event")
    SHOP = "shop", gettext_lazy("set by the shop")
    ORDERS = "orders", gettext_lazy("orders")
    EVENTS = "events", gettext_lazy("events")
    ORDERS_AND_EVENTS = "orders_and_events", gettext_lazy("orders and events")
    RECOMMENDATIONS = "recommendations", gettext_lazy("served recommendations and events")


class ValueFormat(TextChoices):
    """The format of the value of a line."""

    TEXT = "text", "text"
    NUMBER = "number", "number"
    FLAG = "flag", "true or false"
    YEARS = "years", "whole years"
    YEARS_RANGE = "years_range", "{from, to}: whole years"
    DATE = "date", "ISO date"
    MOMENT = "moment", "ISO date and time"
    SHARES = "shares", "list of {code, name, share, facts}, largest share first"
    RATE = "rate", "{share, low, high, others, compared: more, less, similar or unknown}"
    BREADTH = "breadth", "{effective, categories}"
    RESPONSES = "responses", "{sent, opened, clicked}, null if the channel does not report it"


class MissingReason(TextChoices):
    """Why a line has no value."""

    NOTHING_KNOWN = "nothing_known", gettext_lazy("no data yet")
    TOO_FEW_FACTS = "too_few_facts", gettext_lazy("not enough data")
    IMPLAUSIBLE = "implausible", gettext_lazy("implausible value")
    UNREADABLE = "unreadable", gettext_lazy("encrypted with a key that is missing")


@dataclass(frozen=True)
class PortraitLine:
    """One line.

    value: plain data in its format, None if `missing` says why; text: the same in the active language.
    reported_by: key of the event source that reported it; "" if unknown. as_of: time of the latest fact or trait update; None if
    unknown. facts: how many facts it is based on.
    """

    key: str
    group: PortraitGroup
    name: str
    format: ValueFormat
    value: Any
    text: str
    source: FactSource
    facts: int
    as_of: datetime | None
    age_days: int | None
    age: str
    reported_by: str = ""
    reported_by_name: str = ""
    missing: str = ""

    @property
    def source_name(self) -> str:
        name = str(self.source.label)
        return f"{name} · {self.reported_by_name}" if self.reported_by_name else name


def make_line(
    *,
    key: str,
    group: PortraitGroup,
    name: str | Promise,
    format: ValueFormat,
    source: FactSource,
    as_of: datetime,
    value: Any = None,
    text: str = "",
    facts: int = 1,
    newest: datetime | None = None,
    reported_by: str = "",
    reported_by_name: str = "",
    missing: str = "",
) -> PortraitLine:
    """Return a line.

    as_of: of the portrait; newest: time of the latest fact. With `missing`, the text says why there is no value.
    """
    if missing:
        value, text = None, _describe_missing(missing, facts)
    return PortraitLine(
        key=key,
        group=group,
        name=str(name),
        format=format,
        value=value,
        text=text,
        source=source,
        facts=facts,
        as_of=newest,
        age_days=None if newest is None else max((as_of - newest).days, 0),
        age="" if newest is None else format_age(min(newest, as_of), as_of=as_of),
        reported_by=reported_by,
        reported_by_name=reported_by_name,
        missing=missing,
    )


def find_missing_reason(facts: int) -> str:
    """Return why there are too few facts for a number; "" if there are enough."""
    return "" if facts >= MIN_FACTS else MissingReason.TOO_FEW_FACTS if facts else MissingReason.NOTHING_KNOWN


def _describe_missing(missing: str, facts: int) -> str:
    if missing != MissingReason.TOO_FEW_FACTS:
        return str(MissingReason(missing).label)
    return ngettext(
        "only %(n)s data point, not enough for a result", "only %(n)s data points, not enough for a result", facts
    ) % {"n": facts}


def format_share(name: str, share: float) -> str:
    return f"{name} {format_whole_percent(share)}"


def join_list(parts: list[str]) -> str:
    return _(", ").join(parts)
