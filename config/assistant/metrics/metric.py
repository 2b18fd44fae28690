"""A named metric: a figure of the shop with one definition, which people, programs and models ask for by its name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise

from config.assistant.caller import AssistantCaller

type Text = str | Promise
MAX_ROWS = 200


class Unit(StrEnum):
    """What the values of a metric are."""

    COUNT = "count"
    MONEY = "money"
    SHARE = "share"
    NUMBER = "number"


@dataclass(frozen=True, kw_only=True)
class MetricQuery:
    """A question to a metric.

    Attributes:
        since, until: days in the time zone of the shop, both included. interval: day, week, month or quarter, or empty for the whole time.
        group_by: one of `NamedMetric.groupings`, or empty. segment, stage: only these customers; empty for all. limit: of groups.
    """

    metric: str
    since: date
    until: date
    interval: str = ""
    group_by: str = ""
    segment: str = ""
    stage: str = ""
    limit: int = 10

    def to_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON values, without empty ones."""
        values = asdict(self) | {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {name: value for name, value in values.items() if value != ""}


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """A value: of a group, of a period (its first day), of both, or of everything.

    Attributes:
        label: what the group is called; it may be a text of the shop, such as the title of a product. people: the number of customers
            that a share refers to.
    """

    value: float | None
    label: str = ""
    start: date | None = None
    is_complete: bool = True
    people: int | None = None


@dataclass(frozen=True, kw_only=True)
class MetricAnswer:
    """The rows, and what a reader must know about them.

    Attributes:
        as_of: facts up to this moment are included; None while the figures are computed for the first time. is_current: no newer data
            has arrived. path: the page of the back office with these figures. has_page_days: the page has just these days, not the weeks that
            contain them. query: the name of the function behind the figures, and its parameters.
    """

    rows: tuple[MetricRow, ...]
    as_of: datetime | None
    path: str
    query: Mapping[str, Any]
    is_current: bool = True
    is_computing: bool = False
    has_page_days: bool = True
    notes: tuple[Text, ...] = ()
    unit: Unit | None = None


@dataclass(frozen=True, kw_only=True)
class NamedMetric:
    """A metric.

    Attributes:
        label, description: in the language of the reader. synonyms: what people call it, by language; lower case.
        scope: of REST, needed to read it. intervals, groupings, filters: which values `MetricQuery` may have. is_current_state: it describes
            the present, whatever days are asked for. is_additive: the values of the periods add up to the total. compute: returns the answer.
        defaults: of the query.
    """

    key: str
    label: Text
    description: Text
    unit: Unit
    synonyms: Mapping[str, tuple[str, ...]]
    scope: str
    compute: Callable[[MetricQuery, AssistantCaller], MetricAnswer]
    intervals: tuple[str, ...] = ()
    groupings: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    is_current_state: bool = False
    is_list: bool = False
    is_additive: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
