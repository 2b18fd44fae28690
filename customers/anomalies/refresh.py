"""The daily job: evaluates the last complete days of all metrics, and stores what was expected and what was unusual."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import transaction

from config.foundation.array_types import Flags
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import record_run
from customers.analytics.sources import open_analytics_tables
from customers.anomalies.detection.detector import EvaluatedDays, evaluate_days
from customers.anomalies.detection.expectation import WARM_UP_DAYS
from customers.anomalies.detection.series import MetricPanel
from customers.anomalies.detection.thresholds import MIN_SCORES
from customers.anomalies.explaining import build_explanation
from customers.anomalies.facts.base import list_fact_kinds
from customers.anomalies.metrics import Metric, list_metrics
from customers.anomalies.models import Anomaly, AnomalyKind, AnomalyRun, DayState, MetricDay
from customers.anomalies.reading import (
    MAX_JUDGED,
    Facts,
    as_optional,
    build_panel,
    choose_days,
    find_stops,
    list_available,
    read_facts,
)
from customers.demand.models import load_demand_settings

LOCK = "anomalies"
EVALUATED_AGAIN = 3  # days, because events may arrive late
KEPT_DAYS = 400
NO_DATA, TOO_SHORT = "no_data", "too_short"
BATCH = 2_000


@dataclass(frozen=True, eq=False)
class EvaluatedMetrics:
    """The metrics with their panel, and the evaluated days."""

    metrics: list[Metric]
    facts: Facts
    panel: MetricPanel
    judged: EvaluatedDays
    stopped: dict[str, dict[int, int]]


def find_anomalies(*, as_of: datetime) -> AnomalyRun:
    """Evaluate the days that are new since the last run, and the last three again. Errors: AlreadyRunningError."""
    with exclusive_lock(LOCK), record_run(AnomalyRun(as_of=as_of, started_at=as_of)) as run:
        with open_analytics_tables(as_of=as_of) as tables:
            days = choose_days(as_of=as_of, tables=tables)
            facts = read_facts(tables, days)
        run.last_day = days.until
        result = evaluate_facts(facts, count=count_new_days(days.until))
        if result is None:
            run.problem = NO_DATA
            return run
        if not np.isfinite(result.judged.expected).any():
            run.problem = TOO_SHORT
        run.anomalies = store(result, as_of=as_of)
    return run


def count_new_days(last: date) -> int:
    """Return how many of the last days to evaluate."""
    latest = AnomalyRun.objects.filter(status=AnomalyRun.Status.DONE, problem="").order_by("-last_day").first()
    if latest is None or latest.last_day is None:
        return MAX_JUDGED
    return min(max((last - latest.last_day).days, 0) + EVALUATED_AGAIN, MAX_JUDGED)


def evaluate_facts(facts: Facts, *, count: int) -> EvaluatedMetrics | None:
    """Evaluate the last days of the metrics; None without any data."""
    metrics = list_available(list_metrics(), facts)
    if not metrics:
        return None
    days = range(facts.n_days - count, facts.n_days)
    detailed = range((facts.days.detailed_since - facts.days.since).days, facts.n_days)
    stopped = find_stops(facts, detailed)
    panel = build_panel(
        metrics, facts, stopped=stopped, known=read_known_days(facts), country=load_demand_settings().country
    )
    return EvaluatedMetrics(metrics, facts, panel, evaluate_days(panel, days), stopped)


def read_known_days(facts: Facts) -> Flags:
    """Return the days with a known reason, (days,)."""
    known = np.zeros(facts.n_days, bool)
    rows = Anomaly.objects.filter(annotation__isnull=False, day__gte=facts.days.since, day__lte=facts.days.until)
    for day in rows.values_list("day", flat=True).distinct():
        known[(day - facts.days.since).days] = True
    return known


def store(result: EvaluatedMetrics, *, as_of: datetime) -> int:
    """Replace the evaluated days in one transaction, so that a run that is repeated changes nothing; return the number of anomalies.

    An anomaly with a known reason stays, even if late data made its day usual.
    """
    anomalies = build_anomalies(result, as_of=as_of)
    first = result.facts.get_day(result.judged.days[0])
    keys = {(anomaly.metric, anomaly.day) for anomaly in anomalies}
    values = ("kind", "value", "expected", "low", "high", "p_value", "explanation", "stopped_hour", "computed_at")
    with transaction.atomic():
        stale = [
            row.pk
            for row in Anomaly.objects.filter(day__gte=first, annotation=None)
            if (row.metric, row.day) not in keys
        ]
        Anomaly.objects.filter(pk__in=stale).delete()
        add_known_reasons(anomalies)
        Anomaly.objects.bulk_create(
            anomalies, update_conflicts=True, unique_fields=["metric", "day"], update_fields=values
        )
        store_days(build_days(result), first)
    return len(anomalies)


def add_known_reasons(anomalies: Sequence[Anomaly]) -> None:
    """Give anomalies the known reason of their day, which late data may add to after the reason was entered; stored ones keep theirs."""
    noted = Anomaly.objects.filter(day__in={anomaly.day for anomaly in anomalies}, annotation__isnull=False)
    reasons = {row.day: row for row in noted.order_by("-pk")}
    for anomaly in anomalies:
        if anomaly.day in reasons:
            row = reasons[anomaly.day]
            anomaly.annotation_id, anomaly.noted_by_id = row.annotation_id, row.noted_by_id


def store_days(rows: Sequence[MetricDay], first: date) -> None:
    """Replace the days from the first evaluated one on; earlier days keep the range that they had."""
    MetricDay.objects.filter(day__gte=first).delete()
    MetricDay.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)


def build_days(result: EvaluatedMetrics) -> list[MetricDay]:
    """Return the evaluated days, and the values of the days before them without a range."""
    facts, panel, judged = result.facts, result.panel, result.judged
    column_of = {day: column for column, day in enumerate(judged.days)}
    rows = []
    for row, metric in enumerate(result.metrics):
        start = int((panel.exposure[row] > 0).argmax())
        for day in range(start, facts.n_days):
            column = column_of.get(day)
            exposure = panel.exposure[row, day]
            value = panel.total[row, day] / exposure if exposure > 0 else np.nan
            item = MetricDay(
                metric=metric.key, day=facts.get_day(day), value=as_optional(value), state=DayState.HISTORY
            )
            if column is not None:
                item.state = find_state(result, row, column)
                item.expected, item.low, item.high = (
                    as_optional(part[row, column] / exposure if exposure > 0 else np.nan)
                    for part in (judged.expected, judged.low, judged.high)
                )
            rows.append(item)
    return rows


def find_state(result: EvaluatedMetrics, row: int, column: int) -> str:
    judged = result.judged
    if is_day_missing(result, row, column):
        return DayState.MISSING
    if judged.is_anomaly[row, column]:
        return DayState.UNUSUAL
    return DayState.USUAL if np.isfinite(judged.p_value[row, column]) else DayState.SMALL


def is_day_missing(result: EvaluatedMetrics, row: int, column: int) -> bool:
    """Return whether the data of a metric is missing on an evaluated day: nothing arrived, or nothing after a certain hour."""
    feeds = {get_feed(result.metrics[row]), *result.metrics[row].needs}
    rows = [other for other, metric in enumerate(result.metrics) if get_feed(metric) in feeds]
    is_empty = bool(result.judged.is_missing[rows, column].any())
    return is_empty or any(result.judged.days[column] in result.stopped.get(feed, {}) for feed in feeds)


def get_feed(metric: Metric) -> str:
    return next(kind.feed for kind in list_fact_kinds() if kind.key == metric.fact)


def build_anomalies(result: EvaluatedMetrics, *, as_of: datetime) -> list[Anomaly]:
    """Return the anomalies of the evaluated days; missing data is one anomaly of its feed's first metric, not one of each metric."""
    rows: list[Anomaly] = []
    for column, day in enumerate(result.judged.days):
        missing: set[str] = set()
        for row, metric in enumerate(result.metrics):
            feed = get_feed(metric)
            values = {"metric": metric.key, "day": result.facts.get_day(day), "computed_at": as_of}
            if is_day_missing(result, row, column):
                if metric.is_summed and feed not in missing:
                    hour = result.stopped.get(feed, {}).get(day)
                    rows.append(build_anomaly(result, row, column, values, kind=AnomalyKind.MISSING, hour=hour))
                    missing.add(feed)
            elif result.judged.is_anomaly[row, column]:
                is_low = result.panel.total[row, day] < result.judged.expected[row, column]
                kind = AnomalyKind.LOW if is_low else AnomalyKind.HIGH
                rows.append(build_anomaly(result, row, column, values, kind=kind))
    return rows


def build_anomaly(
    result: EvaluatedMetrics, row: int, column: int, values: dict[str, Any], *, kind: str, hour: int | None = None
) -> Anomaly:
    judged, panel, day = result.judged, result.panel, result.judged.days[column]
    exposure = panel.exposure[row, day] or np.nan
    expected = float(judged.expected[row, column])
    explanation = {}
    if kind != AnomalyKind.MISSING:
        explanation = build_explanation(
            result.metrics[row], row, day, expected, float(judged.unit[row]), panel, result.facts
        )
    return Anomaly(
        **values,
        kind=kind,
        value=as_optional(panel.total[row, day] / exposure),
        expected=as_optional(expected / exposure),
        low=as_optional(judged.low[row, column] / exposure),
        high=as_optional(judged.high[row, column] / exposure),
        p_value=None if not np.isfinite(judged.p_value[row, column]) else float(judged.p_value[row, column]),
        explanation=explanation,
        stopped_hour=hour,
    )


def find_latest_run() -> AnomalyRun | None:
    return AnomalyRun.objects.filter(status=AnomalyRun.Status.DONE).order_by("-started_at").first()


MIN_HISTORY_DAYS = WARM_UP_DAYS + MIN_SCORES
