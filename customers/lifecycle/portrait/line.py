"""One line of a portrait."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.labels import age
from customers.lifecycle.backoffice.labels.clv_labels import percent

LEAST_FACTS = 3


class Group(TextChoices):
    WHO = "who", gettext_lazy("Who they are")
    LIKES = "likes", gettext_lazy("What they like")
    BUYS = "buys", gettext_lazy("How they buy")
    RESPONDS = "responds", gettext_lazy("How they respond")


class Origin(TextChoices):
    """Where the facts of a line come from; the shop tells by import, by REST and in the back office."""

    IDENTIFY = "identify", gettext_lazy("identify event")
    SHOP = "shop", gettext_lazy("told by the shop")
    ORDERS = "orders", gettext_lazy("orders")
    EVENTS = "events", gettext_lazy("events")
    ORDERS_AND_EVENTS = "orders_and_events", gettext_lazy("orders and events")
    RECOMMENDATIONS = "recommendations", gettext_lazy("recommendations served and events")


class Form(TextChoices):
    """How the value of a line is to be read."""

    TEXT = "text", "text"
    NUMBER = "number", "number"
    FLAG = "flag", "true or false"
    YEARS = "years", "whole years"
    YEARS_RANGE = "years_range", "{from, to}: whole years"
    DATE = "date", "ISO date"
    MOMENT = "moment", "ISO date and time"
    SHARES = "shares", "list of {code, name, share, facts}, the greatest share first"
    RATE = "rate", "{share, low, high, others, against_others: more, less, alike or unknown}"
    BREADTH = "breadth", "{effective, categories}"
    RESPONSES = "responses", "{sent, opened, clicked}, null where a channel does not tell it"


class Gap(TextChoices):
    """Why a line has no value."""

    NOTHING_KNOWN = "nothing_known", gettext_lazy("nothing known yet")
    TOO_FEW_FACTS = "too_few_facts", gettext_lazy("too few facts to say")
    IMPLAUSIBLE = "implausible", gettext_lazy("what was told cannot be right")
    UNREADABLE = "unreadable", gettext_lazy("encrypted with a key that is missing")


@dataclass(frozen=True)
class Line:
    """value: plain, as its form says, None where `gap` says why; words: the same for people, in the active language.

    told_by: the event source that told it, by key; "" where there is none or it is not kept. as_of: when the newest fact happened, or the
    trait was told; None where that is not kept. facts: how many it rests on.
    """

    key: str
    group: Group
    name: str
    form: Form
    value: Any
    words: str
    origin: Origin
    facts: int
    as_of: datetime | None
    age_days: int | None
    age: str
    told_by: str = ""
    told_by_name: str = ""
    gap: str = ""

    @property
    def origin_name(self) -> str:
        name = str(self.origin.label)
        return f"{name} · {self.told_by_name}" if self.told_by_name else name


def make_line(
    *,
    key: str,
    group: Group,
    name: str | Promise,
    form: Form,
    origin: Origin,
    as_of: datetime,
    value: Any = None,
    words: str = "",
    facts: int = 1,
    newest: datetime | None = None,
    told_by: str = "",
    told_by_name: str = "",
    gap: str = "",
) -> Line:
    """as_of: of the portrait; newest: of the line's facts. With a gap the words are those of the gap."""
    if gap:
        value, words = None, _gap_words(gap, facts)
    return Line(
        key=key,
        group=group,
        name=str(name),
        form=form,
        value=value,
        words=words,
        origin=origin,
        facts=facts,
        as_of=newest,
        age_days=None if newest is None else max((as_of - newest).days, 0),
        age="" if newest is None else age(min(newest, as_of), as_of=as_of),
        told_by=told_by,
        told_by_name=told_by_name,
        gap=gap,
    )


def gap_of(facts: int) -> str:
    """Why so few facts give no number; "" for enough."""
    return "" if facts >= LEAST_FACTS else Gap.TOO_FEW_FACTS if facts else Gap.NOTHING_KNOWN


def _gap_words(gap: str, facts: int) -> str:
    if gap != Gap.TOO_FEW_FACTS:
        return str(Gap(gap).label)
    return ngettext("only %(n)s fact: too few to say", "only %(n)s facts: too few to say", facts) % {"n": facts}


def share_words(name: str, share: float) -> str:
    """Its per cents do not leave it at the end of a line."""
    return f"{name} {percent(share)}".replace(" %", "\N{NO-BREAK SPACE}%")


def listed(parts: list[str]) -> str:
    return _(", ").join(parts)
