"""Trends: a number over time, in the time zone of the shop.

Several series can be combined by a formula, split by a breakdown, compared with the period before and smoothed by a rolling mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import DayRange, find_previous_range
from customers.analytics.expressions.breakdowns import Breakdown, GroupKey, add_event_label
from customers.analytics.expressions.formulas import LETTERS, compute_formula, parse_formula
from customers.analytics.expressions.matching import EventMatch, build_number, check_property
from customers.analytics.expressions.parameters import DateRange, ParameterError, require_between, require_one_of
from customers.analytics.expressions.periods import (
    HOUR,
    SECOND,
    PeriodUnit,
    build_day,
    build_period,
    find_offset_changes,
    get_period_start,
    number_period,
    to_instant,
)
from customers.analytics.expressions.ratios import roll_means
from customers.analytics.expressions.tables import AnalyticsTables

MEASURES = ("events", "people", "per_person", "sum", "average", "quantile")
PROPERTY_MEASURES = ("sum", "average", "quantile")
MAX_BUCKETS = 2_000


@dataclass(frozen=True, kw_only=True)
class TrendSeries:
    """One series: which events, and what is computed from them.

    Attributes:
        measure: events, people, per_person (events per person), or sum, average or quantile of a property.
        property: a number such as value. share: of the quantile, 0.5 for the median.
    """

    event: EventMatch
    measure: str = "events"
    property: str = "value"
    share: float = 0.5

    def __post_init__(self) -> None:
        require_one_of("measure", self.measure, MEASURES)
        require_between("share", self.share, 0, 1)
        check_property("property", self.property)


@dataclass(frozen=True, kw_only=True)
class TrendParameters(DateRange):
    """What a trend shows.

    Attributes:
        formula: such as A / B; the series are named A, B and so on. is_compared: also the previous period.
        rolling: the number of buckets of the rolling mean; 0 for none.
    """

    series: tuple[TrendSeries, ...]
    formula: str = ""
    interval: PeriodUnit = PeriodUnit.DAY
    breakdown: Breakdown | None = None
    is_compared: bool = False
    rolling: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("series", len(self.series), 1, len(LETTERS))
        require_between("rolling", self.rolling, 0, 365)
        require_one_of("interval", self.interval, (PeriodUnit.HOUR, PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH))
        if self.formula:
            parse_formula(self.formula, len(self.series))
        days = (self.until - self.since).days + 1
        if self.interval == PeriodUnit.HOUR and days * 24 > MAX_BUCKETS:
            raise ParameterError(
                "interval", _("hour shows at most %(value)s days; choose day.") % {"value": MAX_BUCKETS // 24}
            )


@dataclass(frozen=True, kw_only=True)
class TrendBucket:
    """An hour, day, week or month: when it begins, and whether it had ended and is wholly within the days of the question."""

    start: datetime
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class TrendLine:
    """The values of a series or formula, for everyone or one group.

    Attributes:
        name: A, B and so on, or the formula. values: by bucket; None where there is none, such as the average of no events.
        total: over all buckets (people are counted once). previous: the same for the period before; empty if it isn't compared.
    """

    name: str
    event: str
    group: GroupKey | None
    values: tuple[float | None, ...]
    total: float | None
    rolling: tuple[float | None, ...]
    previous: tuple[float | None, ...]
    previous_total: float | None


@dataclass(frozen=True, kw_only=True)
class TrendResult:
    """The buckets, and a line for each series (or the formula) and group.

    Attributes:
        previous_since, previous_until: the days of the previous period; None if it isn't compared.
    """

    as_of: datetime
    buckets: tuple[TrendBucket, ...]
    lines: tuple[TrendLine, ...]
    previous_since: date | None = None
    previous_until: date | None = None


@dataclass(frozen=True)
class _Values:
    """Values by bucket number, and in total, by group."""

    by_bucket: dict[GroupKey, dict[int, float]]
    total: dict[GroupKey, float]


def build_series(
    tables: AnalyticsTables, parameters: TrendParameters, series: TrendSeries, top: Sequence[str] | None
) -> ir.Table:
    """Return the events of a series: customer_id, bucket, number, label and is_other; top: labels that are shown by name."""
    events = tables.select_events(parameters, series.event)
    rows = add_event_label(events, parameters.breakdown, tables)
    number = ibis.null("float64")
    if series.measure in PROPERTY_MEASURES:
        number = build_number(rows, series.property, tables.engine)
    is_other = ibis.literal(False)
    if parameters.breakdown is not None and top is not None:
        is_other = rows.label.notnull() & (rows.label.notin(top) if top else ibis.literal(True))
    return rows.select(
        "customer_id",
        bucket=_build_bucket(rows, tables, parameters),
        number=number,
        label=ibis.ifelse(is_other, ibis.null("string"), rows.label),
        is_other=is_other,
    )


def _build_bucket(rows: ir.Table, tables: AnalyticsTables, parameters: TrendParameters) -> ir.IntegerValue:
    if parameters.interval == PeriodUnit.HOUR:
        # hours of time, not of the clock: when clocks are set back, the repeated hour is a bucket of its own
        return (rows["at"] + _get_hour_shift(tables, parameters)) // HOUR
    return build_period(build_day(rows["at"], tables.zone, parameters.since, parameters.until), parameters.interval)


def _get_hour_shift(tables: AnalyticsTables, parameters: TrendParameters) -> int:
    """Return the minutes by which hours of the shop begin later than those of UTC, in microseconds."""
    return find_offset_changes(tables.zone, parameters.since, parameters.until)[0][1] % HOUR


def _measure(rows: ir.Table, series: TrendSeries, keys: Sequence[str], tables: AnalyticsTables) -> ir.Table:
    grouped = rows.group_by(*keys) if keys else rows
    people = tables.engine.count_distinct(rows.customer_id)
    events = rows.count().cast("float64")
    value = {
        "events": events,
        "people": people.cast("float64"),
        # without any event there is one row in total, whose 0 / 0 would be NaN, which JSON cannot store
        "per_person": events / people.nullif(0),
        "sum": rows.number.sum(),
        "average": rows.number.mean(),
        "quantile": tables.engine.quantile(rows.number, series.share),
    }[series.measure]
    return grouped.agg(result=value)


def run_trends(tables: AnalyticsTables, parameters: TrendParameters) -> TrendResult:
    """Compute all series, and those of the period before."""
    top = _find_top_labels(tables, parameters) if parameters.breakdown else None
    values = [_run_series(tables, parameters, series, top) for series in parameters.series]
    earlier: list[_Values] = []
    before = shift_back(parameters)
    if parameters.is_compared:
        earlier = [_run_series(tables, before, series, top) for series in before.series]
    numbers = list_buckets(tables, parameters)
    previous_numbers = list_buckets(tables, before) if parameters.is_compared else []
    lines = []
    for group in _order_groups(values):
        lines += _build_lines(group, parameters, (values, numbers), (earlier, previous_numbers))
    low, high = (datetime.fromtimestamp(bound / SECOND, UTC) for bound in tables.get_bounds(parameters))
    buckets = tuple(
        TrendBucket(start=start, is_complete=start >= low and end <= high)
        for start, end in (_get_bucket_bounds(number, tables, parameters) for number in numbers)
    )
    return TrendResult(
        as_of=tables.as_of,
        buckets=buckets,
        lines=tuple(lines),
        previous_since=before.since if parameters.is_compared else None,
        previous_until=before.until if parameters.is_compared else None,
    )


def _find_top_labels(tables: AnalyticsTables, parameters: TrendParameters) -> list[str]:
    """Return the labels with the most events of the first series; equal ones by label."""
    assert parameters.breakdown is not None
    rows = build_series(tables, parameters, parameters.series[0], None)
    counted = rows.filter(rows.label.notnull()).group_by("label").agg(events=ibis._.count())
    top = counted.order_by(ibis.desc("events"), "label").limit(parameters.breakdown.limit)
    return [row["label"] for row in tables.fetch(top)]


def _run_series(
    tables: AnalyticsTables, parameters: TrendParameters, series: TrendSeries, top: Sequence[str] | None
) -> _Values:
    rows = build_series(tables, parameters, series, top)
    keys = ["label", "is_other"] if parameters.breakdown else []
    by_bucket: dict[GroupKey, dict[int, float]] = {}
    for row in tables.fetch(_measure(rows, series, ["bucket", *keys], tables)):
        by_bucket.setdefault(_read_key(row), {})[row["bucket"]] = row["result"]
    if series.measure in ("events", "sum"):
        total = {key: sum(value or 0 for value in values.values()) for key, values in by_bucket.items()}
    else:
        total = {_read_key(row): row["result"] for row in tables.fetch(_measure(rows, series, keys, tables))}
    return _Values(by_bucket, total)


def _read_key(row: dict[str, Any]) -> GroupKey:
    return GroupKey(label=row.get("label"), is_other=bool(row.get("is_other")))


def _order_groups(values: Sequence[_Values]) -> list[GroupKey]:
    """Return the groups, largest total first, those without a label and the others last."""
    groups: dict[GroupKey, float] = {}
    for series in values:
        for group, total in series.total.items():
            groups.setdefault(group, total or 0)
    return sorted(groups, key=lambda key: (key.is_other, key.label is None, -groups[key], key.label or "")) or [
        GroupKey()
    ]


def _build_lines(
    group: GroupKey,
    parameters: TrendParameters,
    current: tuple[list[_Values], list[int]],
    earlier: tuple[list[_Values], list[int]],
) -> list[TrendLine]:
    table, totals = _read_table(group, parameters, *current)
    previous, previous_totals = _read_table(group, parameters, *earlier)
    key = group if parameters.breakdown else None
    names = [(LETTERS[number], series.event.label) for number, series in enumerate(parameters.series)]
    if parameters.formula:
        tree = parse_formula(parameters.formula, len(parameters.series))
        names = [(parameters.formula, "")]
        table = [[compute_formula(tree, column) for column in zip(*table, strict=True)]]
        previous = [[compute_formula(tree, column) for column in zip(*previous, strict=True)]]
        totals, previous_totals = [compute_formula(tree, totals)], [compute_formula(tree, previous_totals)]
    return [
        TrendLine(
            name=name,
            event=event,
            group=key,
            values=tuple(table[number]),
            total=totals[number],
            rolling=roll_means(table[number], parameters.rolling) if parameters.rolling else (),
            previous=tuple(previous[number]) if previous else (),
            previous_total=previous_totals[number],
        )
        for number, (name, event) in enumerate(names)
    ]


def _read_table(
    group: GroupKey, parameters: TrendParameters, values: list[_Values], numbers: list[int]
) -> tuple[list[list[float | None]], list[float | None]]:
    """Return values by series and bucket, and totals; a count of no events is 0, but an average of none is None."""
    table: list[list[float | None]] = []
    totals: list[float | None] = []
    for position, series in enumerate(parameters.series):
        missing = 0.0 if series.measure in ("events", "people", "sum") else None
        found = values[position] if values else _Values({}, {})
        of_group = found.by_bucket.get(group, {})
        table.append([of_group.get(number, missing) for number in numbers])
        totals.append(found.total.get(group, missing) if values else None)
    return table, totals


def shift_back(parameters: TrendParameters) -> TrendParameters:
    """Return the parameters for the previous period, which is the same for all intervals and on all pages."""
    before = find_previous_range(DayRange(parameters.since, parameters.until))
    return replace(parameters, since=before.first, until=before.last)


def list_buckets(tables: AnalyticsTables, parameters: TrendParameters) -> list[int]:
    """Return the numbers of the buckets that have begun; at least one."""
    low, high = tables.get_bounds(parameters)
    if parameters.interval == PeriodUnit.HOUR:
        shift = _get_hour_shift(tables, parameters)
        return list(range((low + shift) // HOUR, max((high - 1 + shift) // HOUR, (low + shift) // HOUR) + 1))
    last_day = datetime.fromtimestamp(max(high - 1, low) / SECOND, tables.zone).date()
    return list(
        range(number_period(parameters.since, parameters.interval), number_period(last_day, parameters.interval) + 1)
    )


def _get_bucket_bounds(number: int, tables: AnalyticsTables, parameters: TrendParameters) -> tuple[datetime, datetime]:
    if parameters.interval == PeriodUnit.HOUR:
        begin = number * HOUR - _get_hour_shift(tables, parameters)
        end = begin + HOUR
    else:
        begin = to_instant(get_period_start(number, parameters.interval), tables.zone)
        end = to_instant(get_period_start(number + 1, parameters.interval), tables.zone)
    first, last = (datetime.fromtimestamp(value // SECOND, UTC).astimezone(tables.zone) for value in (begin, end))
    return first, last


@dataclass(frozen=True, kw_only=True)
class TrendSelection:
    """A point of a line.

    Attributes:
        series: its number, from 0. start: a moment in the bucket; None for all buckets.
    """

    series: int = 0
    start: datetime | None = None
    group: GroupKey | None = None


def select_trend_people(tables: AnalyticsTables, parameters: TrendParameters, selection: TrendSelection) -> ir.Table:
    """Return the customer_id of the people of a point. Raises ParameterError: there is no such series."""
    require_between("series", selection.series, 0, len(parameters.series) - 1)
    top = _find_top_labels(tables, parameters) if parameters.breakdown else None
    rows = build_series(tables, parameters, parameters.series[selection.series], top)
    group = selection.group
    if selection.start is not None:
        rows = rows.filter(rows.bucket == _number_bucket(selection.start, tables, parameters))
    if group is not None and parameters.breakdown is not None:
        is_label = rows.label.isnull() if group.label is None else rows.label == group.label
        rows = rows.filter((rows.is_other == group.is_other) & is_label)
    return rows.select("customer_id").distinct()


def _number_bucket(start: datetime, tables: AnalyticsTables, parameters: TrendParameters) -> int:
    if parameters.interval == PeriodUnit.HOUR:
        return (round(start.timestamp()) * SECOND + _get_hour_shift(tables, parameters)) // HOUR
    return number_period(start.astimezone(tables.zone).date(), parameters.interval)
