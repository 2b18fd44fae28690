"""Tables of a version's model card."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_decimals, join_list
from recommendations.training.backoffice.labels.algorithm_labels import (
    get_algorithm_label,
    get_event_type_label,
    get_metric_label,
    get_segment_label,
)
from recommendations.training.models import EvaluationRun

ACCURACY_METRICS = ("ndcg@10", "precision@10", "recall@10", "f1@10", "hit_rate@10", "map@10", "mrr@10")
BEYOND_METRICS = ("coverage@10", "novelty@10", "diversity@10", "popularity_lift@10", "gini@10")
TRIAL_ORDERS = ("-value", "value", "algorithm", "-seconds", "tried")
MAX_LISTED_TRIALS = 200
MIN_RELIABLE_CUSTOMERS = 30
WHOLE_VALUES = ("needed", "bound", "left")


def build_evaluation_table(run: EvaluationRun, metrics: Iterable[str] = ACCURACY_METRICS) -> dict[str, Any]:
    """Return the metric names and one row per algorithm, best primary metric first.

    Rows: {"algorithm", "name", "cells": [{"value", "low", "high"}], "wins"}.
    """
    rows = [
        {
            "algorithm": name,
            "name": get_algorithm_label(name),
            "cells": [figures.get(metric) or {} for metric in metrics],
            "wins": name == get_served_algorithm(run),
        }
        for name, figures in sort_by_primary_metric(run)
    ]
    return {"metrics": [get_metric_label(metric) for metric in metrics], "rows": rows}


def list_segments(run: EvaluationRun) -> list[str]:
    """Return the customer segments of the run in their stored order."""
    return list(dict.fromkeys(row["segment"] for row in run.segments))


def build_segment_table(run: EvaluationRun) -> dict[str, Any]:
    """Return the primary metric with algorithms in rows and segments in columns."""
    segments = list_segments(run)
    cells = {(row["algorithm"], row["segment"]): row for row in run.segments if row["metric"] == run.primary_metric}
    counts = {segment: next((cells[key]["people"] for key in cells if key[1] == segment), 0) for segment in segments}
    return {
        "segments": [{"name": get_segment_label(segment), "people": counts[segment]} for segment in segments],
        "rows": [
            {
                "name": get_algorithm_label(name),
                "wins": name == get_served_algorithm(run),
                "cells": [cells.get((name, segment)) or {} for segment in segments],
            }
            for name, _figures in sort_by_primary_metric(run)
        ],
    }


def build_new_products_table(run: EvaluationRun) -> dict[str, Any] | None:
    """Return counts and figures of new products, ranked among themselves and among all.

    Return None for a run without them.
    """
    figures_of_new = run.cold_start.get("products")
    if figures_of_new is None:
        return None
    columns = [(among, metric) for among in ("new", "all") for metric in ("recall@10", "ndcg@10")]
    among_names = {"new": _("among new products"), "all": _("among all products")}
    rows = [
        {
            "name": get_algorithm_label(name),
            "wins": name == get_served_algorithm(run),
            "cells": [figures[among][metric] for among, metric in columns],
        }
        for name, figures in figures_of_new["figures"].items()
    ]
    metrics = [f"{get_metric_label(metric)} {among_names[among]}" for among, metric in columns]
    return {**figures_of_new, "metrics": metrics, "rows": rows}


def build_trials_table(run: EvaluationRun, order: str) -> list[dict[str, Any]]:
    """Return the trials in one of TRIAL_ORDERS; by default the largest value first."""
    rows = [
        {
            "number": number,
            "algorithm": get_algorithm_label(row["algorithm"]),
            "parameters": ", ".join(f"{name} {format_parameter(value)}" for name, value in row["parameters"].items()),
            "value": row.get("value"),
            "seconds": row.get("seconds"),
            "chosen": bool(row.get("chosen")),
        }
        for number, row in enumerate(run.tried, start=1)
        if "parameters" in row
    ]
    keys: dict[str, Any] = {
        "-value": lambda row: -(row["value"] if row["value"] is not None else -1.0),
        "value": lambda row: row["value"] if row["value"] is not None else -1.0,
        "algorithm": lambda row: row["algorithm"],
        "-seconds": lambda row: -(row["seconds"] or 0.0),
        "tried": lambda row: row["number"],
    }
    return sorted(rows, key=keys[order if order in keys else TRIAL_ORDERS[0]])[:MAX_LISTED_TRIALS]


def build_parts_table(run: EvaluationRun) -> list[dict[str, Any]]:
    """Return the components of the version: weight in for-you, parameters, loss without it."""
    if run.model_version is None or "components" not in run.model_version.parameters:
        return []
    parameters = run.model_version.parameters
    lost = {row["without"]: row for row in run.ablation}
    rows = [
        {
            "name": get_algorithm_label(name),
            "weight": parameters["weights"].get(name, 0.0),
            "parameters": ", ".join(
                f"{key} {format_parameter(value)}" for key, value in component["parameters"].items()
            ),
            "lost": lost.get(name),
        }
        for name, component in parameters["components"].items()
    ]
    return sorted(rows, key=lambda row: -row["weight"])


def build_kinds_table(run: EvaluationRun) -> list[dict[str, Any]]:
    """Return the number of interactions of each type and the weight of one."""
    all_counts = run.interactions_by_kind.get("all", {})
    before = run.interactions_by_kind.get("before_cut", {})
    version = run.model_version
    weights = version.parameters.get("weighing", {}).get("kinds", {}) if version is not None else {}
    return [
        {
            "name": get_event_type_label(kind),
            "all": number_format(count, force_grouping=True),
            "before_cut": number_format(before.get(kind, 0), force_grouping=True),
            "weight": weights.get(kind),
        }
        for kind, count in all_counts.items()
    ]


def list_limits(run: EvaluationRun) -> list[str]:
    """Return the known limits of the version and of its figures."""
    cold_start_algorithm = (run.cold_start.get("people") or {}).get("served", "popularity")
    limits = [
        _(
            "Customers without a history get popular products. The metrics cover customers with a history "
            "before the split."
        )
        if cold_start_algorithm == "popularity"
        else _("The metrics cover customers with a history before the split. New customers are evaluated separately."),
        _("Products without purchases can only be recommended based on their text."),
    ]
    all_counts, before = run.interactions_by_kind.get("all", {}), run.interactions_by_kind.get("before_cut", {})
    unweighted_kinds = [kind for kind in all_counts if kind not in before and kind != "purchase"]
    if unweighted_kinds and run.cut_at:
        names = join_list(get_event_type_label(kind) for kind in unweighted_kinds)
        limits.append(
            _("These event types did not occur before the split, so they have default weights: %(kinds)s.")
            % {"kinds": names}
        )
    small_segments = [
        segment for segment in list_segments(run) if 0 < count_segment_customers(run, segment) < MIN_RELIABLE_CUSTOMERS
    ]
    if small_segments:
        names = join_list(get_segment_label(segment) for segment in small_segments)
        limits.append(
            _("Unreliable metrics, because the segment has fewer than 30 customers: %(segments)s.")
            % {"segments": names}
        )
    cold_item_rows = [
        row for row in run.segments if row["segment"] == "cold items" and row["algorithm"] == get_served_algorithm(run)
    ]
    value = next((row["value"] for row in cold_item_rows if row["metric"] == run.primary_metric), None)
    if value is not None:
        limits.append(
            _("For products with fewer than five buyers: %(metric)s %(value)s.")
            % {"metric": get_metric_label(run.primary_metric), "value": f"{value:.4f}"}
        )
    return limits


def count_segment_customers(run: EvaluationRun, segment: str) -> int:
    """Return the number of customers of a segment."""
    return max((row["people"] for row in run.segments if row["segment"] == segment), default=0)


def build_excluded_table(run: EvaluationRun) -> list[dict[str, str]]:
    """Return the excluded algorithms and why."""
    return [
        {"name": get_algorithm_label(row["algorithm"]), "why": explain_exclusion(row["code"], row["values"])}
        for row in run.left_out
    ]


def explain_exclusion(code: str, values: Mapping[str, float]) -> str:
    """Return why an algorithm is excluded, in the active language."""
    texts = {name: format_decimals(value, 0 if name in WHOLE_VALUES else 4) for name, value in values.items()}
    match code:
        case "no_memory":
            return (
                _(
                    "requires about %(needed)s MB, including the data and the other algorithms; the limit is %(bound)s "
                    "MB"
                )
                % texts
            )
        case "no_time":
            return _("fitting and evaluation take about %(needed)s seconds; only %(left)s seconds are left") % texts
        case "nothing_to_learn":
            return _("no training data for this algorithm")
        case "no_help":
            return _("does not improve the ensemble on the validation period (%(value)s alone)") % texts
        case "not_beyond_chance":
            return (
                _(
                    "not used in “For you”: without it, NDCG@10 on the validation period is lower by %(lost)s (%(low)s to %(high)s), "
                    "which may be chance"
                )
                % texts
            )
    return code


def format_parameter(value: Any) -> str:
    """Return a parameter value as text."""
    return value if isinstance(value, str) else json.dumps(value)


def list_comparisons(run: EvaluationRun) -> list[dict[str, Any]]:
    """Return the paired differences with the names of both algorithms and of the metric."""
    return [
        pair
        | {
            "first": get_algorithm_label(pair["first"]),
            "second": get_algorithm_label(pair["second"]),
            "metric": get_metric_label(pair["metric"]),
        }
        for pair in run.comparisons
    ]


def sort_by_primary_metric(run: EvaluationRun) -> list[tuple[str, dict[str, Any]]]:
    """Return (algorithm, figures), best primary metric first."""
    evaluated = [(name, figures) for name, figures in run.figures.items() if run.primary_metric in figures]
    return sorted(evaluated, key=lambda pair: -(pair[1][run.primary_metric]["value"] or 0))


def get_served_algorithm(run: EvaluationRun) -> str:
    """Return the algorithm of the version, "" without one."""
    return run.model_version.algorithm if run.model_version is not None else ""
