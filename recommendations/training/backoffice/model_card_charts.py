"""Charts of a version's model card."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts import ChartSpec, build_interval_chart, build_point_chart
from recommendations.training.backoffice.labels.algorithm_labels import (
    get_algorithm_label,
    get_metric_label,
    get_segment_label,
)
from recommendations.training.backoffice.model_card_tables import (
    get_served_algorithm,
    list_segments,
    sort_by_primary_metric,
)
from recommendations.training.models import EvaluationRun

BASELINES = ("popularity", "repeat")


def build_metric_chart(run: EvaluationRun) -> ChartSpec | None:
    """Return the chart of the primary metric of every algorithm with its interval, best first; None if it is undefined."""
    served = get_served_algorithm(run)
    rows = [
        (get_algorithm_label(name), figures[run.primary_metric], name == served)
        for name, figures in sort_by_primary_metric(run)
        if figures[run.primary_metric]["value"] is not None
    ]
    return build_intervals_spec(get_metric_label(run.primary_metric), rows) if rows else None


def build_intervals_spec(x_title: str, rows: Sequence[tuple[str, Mapping[str, Any], bool]]) -> ChartSpec:
    """Return an interval chart of (label, figure, whether the algorithm serves) rows."""
    return build_interval_chart(
        x_title=x_title,
        labels=[label for label, _figure, _serves in rows],
        values=[figure["value"] for _label, figure, _serves in rows],
        low=[figure["low"] for _label, figure, _serves in rows],
        high=[figure["high"] for _label, figure, _serves in rows],
        texts=[f"{figure['value']:.4f}" for _label, figure, _serves in rows],
        highlighted=[serves for _label, _figure, serves in rows],
    )


def build_segment_chart(run: EvaluationRun) -> ChartSpec | None:
    """Return the chart of the served algorithm and the baselines per segment."""
    served = get_served_algorithm(run)
    algorithms = [served, *(name for name in BASELINES if name != served)]
    rows = [
        (
            f"{get_segment_label(row['segment'])} · {get_algorithm_label(row['algorithm'])}",
            row,
            row["algorithm"] == served,
        )
        for segment in list_segments(run)
        for name in algorithms
        for row in run.segments
        if (row["segment"], row["algorithm"], row["metric"]) == (segment, name, run.primary_metric)
        and row["value"] is not None
    ]
    return build_intervals_spec(get_metric_label(run.primary_metric), rows) if rows else None


def build_ablation_chart(run: EvaluationRun) -> ChartSpec | None:
    """Return the chart of the loss without each component.

    Below 0 the ensemble would be better without it.
    """
    rows = [
        (get_algorithm_label(row["without"]), {**row, "value": row["lost"]}, False)
        for row in run.ablation
        if row["lost"] is not None
    ]
    return build_intervals_spec(get_metric_label(run.primary_metric), rows) if rows else None


def build_popularity_chart(run: EvaluationRun) -> ChartSpec | None:
    """Return the chart of catalog coverage against popularity lift per algorithm."""
    rows = [
        (name, figures["coverage@10"]["value"], figures["popularity_lift@10"]["value"])
        for name, figures in sort_by_primary_metric(run)
        if (figures.get("coverage@10") or {}).get("value") is not None
        and (figures.get("popularity_lift@10") or {}).get("value") is not None
    ]
    if not rows:
        return None
    return build_point_chart(
        x_title=get_metric_label("coverage@10"),
        y_title=get_metric_label("popularity_lift@10"),
        x=[coverage for _name, coverage, _lift in rows],
        y=[lift for _name, _coverage, lift in rows],
        labels=[get_algorithm_label(name) for name, _coverage, _lift in rows],
        highlighted=[name == get_served_algorithm(run) for name, _coverage, _lift in rows],
    )


def build_trials_chart(run: EvaluationRun) -> ChartSpec | None:
    """Return the chart of the value of every trial in chronological order."""
    rows = [(number, row) for number, row in enumerate(run.tried, start=1) if row.get("value") is not None]
    if not rows:
        return None
    return build_point_chart(
        x_title=_("trial"),
        y_title=get_metric_label(run.primary_metric),
        x=[number for number, _row in rows],
        y=[row["value"] for _number, row in rows],
        labels=[get_algorithm_label(row["algorithm"]) for _number, row in rows],
        highlighted=[bool(row.get("chosen")) for _number, row in rows],
        show_names=False,
    )
