"""Explains an anomaly by the dimension whose segments add most to the deviation."""

from dataclasses import replace
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from customers.anomalies.detection.explanation import (
    Contributions,
    SegmentedMetric,
    compute_contributions,
    explain,
    weigh_days,
)
from customers.anomalies.detection.series import MetricPanel
from customers.anomalies.facts.base import OTHER
from customers.anomalies.metrics import Metric, MetricDimension
from customers.anomalies.reading import EXPLAIN_DAYS, Facts, add_days, add_segments, as_optional

SHOWN_SEGMENTS = 8
MIN_DAYS = 14


def build_explanation(
    metric: Metric, row: int, day: int, expected: float, unit: float, panel: MetricPanel, facts: Facts
) -> Any:
    """Return the explanation as JSON: `dimension`, `segments` (positions in the table of the dimension), `share` and `tables`.

    Args:
        row: of the metric in the panel. expected: its total on the day. unit: variance ÷ mean of totals. Without a
        dimension that explains it, `dimension` is empty.
    A table lists the segments of a dimension by their contribution: `label`, `actual`, `expected`, `contribution`, `mix`, `rate`.
    """
    past = np.arange(max(0, day - EXPLAIN_DAYS), day)
    past = past[~panel.is_excluded[row, past] & (panel.exposure[row, past] > 0)]
    if len(past) < MIN_DAYS:
        return {}
    weights = weigh_days(panel.weekday[past], int(panel.weekday[day]))
    parts: dict[str, Contributions] = {}
    labels: dict[str, list[str]] = {}
    for dimension in metric.dimensions:
        names, data = _build_breakdown(metric, dimension, day, past, weights, expected, panel.exposure[row, day], facts)
        if len(names) > 1:
            data = replace(data, unit=unit)
            labels[dimension.dimension], parts[dimension.dimension] = names, compute_contributions(data)
    best = explain(parts, {name: [label != OTHER for label in labels[name]] for name in labels})
    tables = {name: _list_segments(labels[name], parts[name]) for name in labels}
    if best is None:
        return {"dimension": "", "segments": [], "share": 0, "tables": tables}
    named = {labels[best.dimension][position] for position in best.segments}
    rows = [place for place, segment in enumerate(tables[best.dimension]) if segment["label"] in named]
    return {
        "dimension": best.dimension,
        "segments": rows,
        "share": round(best.share, 4),
        "deviation": as_optional(parts[best.dimension].deviation),
        "tables": tables,
    }


def _build_breakdown(
    metric: Metric,
    dimension: MetricDimension,
    day: int,
    past: Any,
    weights: Floats,
    expected: float,
    exposure: float,
    facts: Facts,
) -> tuple[list[str], SegmentedMetric]:
    numerator, denominator = dimension.numerator or metric.numerator, dimension.denominator or metric.denominator
    measures = [numerator, denominator] if denominator else [numerator]
    names, sums = add_segments(facts, dimension.fact, dimension.dimension, measures)
    if denominator:
        rate = expected / exposure if exposure else 0.0
        return names, SegmentedMetric(
            sums[0][:, past], sums[0][:, day], weights, rate, sums[1][:, past], sums[1][:, day]
        )  # fmt: skip
    # lines do not add up to orders, which have shipping and taxes too
    whole = add_days(facts, metric.fact, metric.numerator)[past] @ weights
    scale = (sums[0][:, past].sum(axis=0) @ weights) / whole if whole else 1.0
    return names, SegmentedMetric(sums[0][:, past], sums[0][:, day], weights, expected * scale)


def _list_segments(labels: list[str], parts: Contributions) -> list[dict[str, Any]]:
    """Return the segments that contribute most in the direction of the deviation first."""
    direction = -1 if parts.deviation < 0 else 1
    order = np.argsort(-direction * parts.contribution, kind="stable")
    order = order if len(order) <= SHOWN_SEGMENTS else order[:SHOWN_SEGMENTS]
    return [
        {
            "label": labels[row],
            "actual": as_optional(parts.actual[row]),
            "expected": as_optional(parts.expected[row]),
            "contribution": as_optional(parts.contribution[row]),
            "mix": None if parts.mix is None else as_optional(parts.mix[row]),
            "rate": None if parts.rate is None else as_optional(parts.rate[row]),
        }
        for row in order.tolist()
    ]
