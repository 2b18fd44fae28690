"""Reads all facts in one pass each, and builds the daily series of the metrics and of the segments from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.calendars.public_holidays import list_holidays
from config.foundation.calendars.shopping_festivals import list_main_days
from customers.analytics.expressions.tables import AnalyticsTables
from customers.anomalies.detection.feed_gaps import HOURS, find_stopped_hour
from customers.anomalies.detection.series import MetricPanel
from customers.anomalies.facts.base import OTHER, FactDays, FactKind, list_fact_kinds
from customers.anomalies.facts.orders import read_order_hours
from customers.anomalies.facts.visits import read_event_hours
from customers.anomalies.metrics import Metric

EPOCH = date(1970, 1, 1)
HISTORY_DAYS = 280  # warm-up, half a year of scores, and the days to evaluate
EXPLAIN_DAYS = 56
MAX_JUDGED = 28
MAX_SEGMENTS = 200
GRACE = timedelta(hours=3)  # after midnight, in which the last events of a day arrive
HOUR_READERS = {"orders": read_order_hours, "events": read_event_hours}


@dataclass(frozen=True, eq=False)
class Cube:
    """A kind of fact in columns: the index of the day of each row, text codes by dimension, measures."""

    day: Ints
    codes: dict[str, tuple[Ints, list[str]]]
    measures: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Facts:
    """All facts of the days, by key. hours: counts by day and hour of a feed, (days, 24)."""

    days: FactDays
    cubes: dict[str, Cube]
    hours: dict[str, Floats]

    @property
    def n_days(self) -> int:
        return (self.days.until - self.days.since).days + 1

    def get_day(self, index: int) -> date:
        return self.days.since + timedelta(days=index)


def choose_days(*, as_of: datetime, tables: AnalyticsTables) -> FactDays:
    """Return the days up to the last complete one: the shop's day has ended, and some hours for late events have passed."""
    last = (as_of - GRACE).astimezone(tables.zone).date() - timedelta(days=1)
    return FactDays(
        since=last - timedelta(days=HISTORY_DAYS - 1),
        until=last,
        detailed_since=last - timedelta(days=EXPLAIN_DAYS + MAX_JUDGED - 1),
    )


def read_facts(tables: AnalyticsTables, days: FactDays) -> Facts:
    """Read every registered kind of fact, and the hours of the feeds."""
    first = (days.since - EPOCH).days
    cubes = {kind.key: _build_cube(kind, kind.read(tables, days), first) for kind in list_fact_kinds()}
    n_days = (days.until - days.since).days + 1
    hours = {name: _build_hours(read(tables, days), first, n_days) for name, read in HOUR_READERS.items()}
    return Facts(days, cubes, hours)


def _build_cube(kind: FactKind, rows: pa.Table, first: int) -> Cube:
    codes = {}
    for name in kind.dimensions:
        encoded = rows[name].combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        codes[name] = (encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist())
    measures = {name: rows[name].to_numpy().astype(np.float64) for name in kind.measures}
    return Cube(rows["day"].to_numpy().astype(np.int64) - first, codes, measures)


def _build_hours(rows: pa.Table, first: int, n_days: int) -> Floats:
    counts = np.zeros((n_days, HOURS))
    day = rows["day"].to_numpy().astype(np.int64) - first
    inside = (day >= 0) & (day < n_days)
    counts[day[inside], rows["hour"].to_numpy().astype(np.int64)[inside]] = rows["count"].to_numpy()[inside]
    return counts


def add_days(facts: Facts, fact: str, measure: str) -> Floats:
    """Return a measure by day, (days,)."""
    cube = facts.cubes.get(fact)
    if cube is None or not len(cube.day):
        return np.zeros(facts.n_days)
    return np.bincount(cube.day, cube.measures[measure], facts.n_days)


def list_available(metrics: Sequence[Metric], facts: Facts) -> list[Metric]:
    """Return the metrics with any data."""
    return [metric for metric in metrics if add_days(facts, metric.fact, metric.numerator).any()]


def build_panel(
    metrics: Sequence[Metric], facts: Facts, *, stopped: dict[str, dict[int, int]], known: Flags, country: str
) -> MetricPanel:
    """Return the panel of the metrics. stopped: by feed, day and hour. known: days with a known reason, which do not change expectations, (days,)."""
    n_days = facts.n_days
    feeds = {kind.key: kind.feed for kind in list_fact_kinds()}
    excluded = np.tile(known, (len(metrics), 1))
    for row, metric in enumerate(metrics):
        excluded[row, list(stopped.get(feeds[metric.fact], {}))] = True
    days = np.datetime64(facts.days.since, "D") + np.arange(n_days)
    years = (facts.days.since.year, facts.days.until.year)
    special = np.concatenate([list_holidays(country, *years), list_main_days(country, *years)])
    return MetricPanel(
        total=np.array([add_days(facts, metric.fact, metric.numerator) for metric in metrics]),
        exposure=np.array(
            [
                add_days(facts, metric.fact, metric.denominator) if metric.denominator else np.ones(n_days)
                for metric in metrics
            ]
        ),
        is_count=np.array([metric.is_count for metric in metrics]),
        is_summed=np.array([metric.is_summed for metric in metrics]),
        weekday=(days.astype(np.int64) + 3) % 7,
        is_holiday=np.isin(days, special),
        is_excluded=excluded,
    )


def find_stops(facts: Facts, days: Sequence[int]) -> dict[str, dict[int, int]]:
    """Return for each feed the days on which collection stopped, with the hour."""
    stops: dict[str, dict[int, int]] = {}
    start = (facts.days.detailed_since - facts.days.since).days
    for feed, counts in facts.hours.items():
        hours = {day: find_stopped_hour(counts[start:], day - start) for day in days}
        stops[feed] = {day: hour for day, hour in hours.items() if hour is not None}
    return stops


def add_segments(facts: Facts, fact: str, dimension: str, measures: Sequence[str]) -> tuple[list[str], list[Floats]]:
    """Return the labels of a dimension, and each measure by label and day of the whole period, (labels, days).

    The largest 200 labels by the first measure; the rest is one, with the label `OTHER`.
    """
    cube = facts.cubes[fact]
    code, labels = cube.codes[dimension]
    sums = [
        np.bincount(
            code * facts.n_days + cube.day, np.abs(cube.measures[name]) if not position else cube.measures[name],
            len(labels) * facts.n_days,
        ).reshape(len(labels), facts.n_days)
        for position, name in enumerate((measures[0], *measures))
    ]  # fmt: skip
    if len(labels) <= MAX_SEGMENTS:
        return labels, sums[1:]
    order = np.argsort(-sums[0].sum(axis=1), kind="stable")
    top, rest = order[:MAX_SEGMENTS], order[MAX_SEGMENTS:]
    names = [*(labels[row] for row in top), OTHER]
    return names, [np.vstack([part[top], part[rest].sum(axis=0)]) for part in sums[1:]]


def as_optional(value: Any) -> float | None:
    """Return a number for JSON and the database; None for NaN."""
    return None if not np.isfinite(value) else round(float(value), 6)
