"""A kind of fact: measures by day and segment, as a registered reader returns them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.tables import AnalyticsTables

OTHER = "$other"  # the label of the segments beyond the largest ones
NO_LABEL = ""


@dataclass(frozen=True)
class FactDays:
    """The days that are read, both included, in the shop's time zone; the whole history, and the last ones by segment."""

    since: date
    until: date
    detailed_since: date

    @property
    def whole(self) -> DateRange:
        return DateRange(since=self.since, until=self.until)

    @property
    def detailed(self) -> DateRange:
        return DateRange(since=self.detailed_since, until=self.until)


@dataclass(frozen=True)
class FactKind:
    """A kind of fact.

    Attributes:
        read: returns `day` (days since 1970-01-01), a text column for each dimension and a number column for each measure, added up by
            day and dimensions. feed: what collects it; a gap in the feed is a gap in the measures.
        is_detail: read only for the days by segment, because it is not a metric by itself.
    """

    key: str
    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    feed: str
    read: Callable[[AnalyticsTables, FactDays], pa.Table]
    is_detail: bool = False


_kinds: dict[str, FactKind] = {}


def register_facts(kind: FactKind) -> None:
    """Add a kind of fact; also from packages above this one, whose tables this one does not know."""
    _kinds[kind.key] = kind


def list_fact_kinds() -> list[FactKind]:
    return list(_kinds.values())
