"""An evaluation as charts and tables show it."""

from typing import Any

from recommendations.training.models import EvaluationRun
from recommendations.training.names import algorithm_name, metric_name

SHOWN_METRICS = ("ndcg@10", "precision@10", "recall@10", "f1@10", "hit_rate@10", "map@10", "coverage@10")


def evaluation_table(run: EvaluationRun) -> dict[str, Any]:
    """{"metrics": names, "rows": [{"algorithm", "name", "cells": [{"value", "low", "high"}], "wins"}]}, best primary metric first."""
    rows = [
        {
            "algorithm": name,
            "name": algorithm_name(name),
            "cells": [figures.get(metric) or {} for metric in SHOWN_METRICS],
            "wins": name == winner_of(run),
        }
        for name, figures in best_first(run)
    ]
    return {"metrics": [metric_name(metric) for metric in SHOWN_METRICS], "rows": rows}


def interval_chart(run: EvaluationRun) -> dict[str, Any]:
    """The primary metric of every algorithm with its interval, best first, as the back office's charts read it."""
    found = [(name, figures[run.primary_metric]) for name, figures in best_first(run)]
    return {
        "kind": "intervals",
        "across": metric_name(run.primary_metric),
        "labels": [algorithm_name(name) for name, _ in found],
        "values": [figure["value"] for _, figure in found],
        "low": [figure["low"] for _, figure in found],
        "high": [figure["high"] for _, figure in found],
        "texts": [f"{figure['value']:.4f}" for _, figure in found],
        "serves": [name == winner_of(run) for name, _ in found],
    }


def named_comparisons(run: EvaluationRun) -> list[dict[str, Any]]:
    """The paired differences with the names of both algorithms and of the measure."""
    return [
        pair
        | {
            "first": algorithm_name(pair["first"]),
            "second": algorithm_name(pair["second"]),
            "metric": metric_name(pair["metric"]),
        }
        for pair in run.comparisons
    ]


def best_first(run: EvaluationRun) -> list[tuple[str, dict[str, Any]]]:
    judged = [(name, figures) for name, figures in run.figures.items() if run.primary_metric in figures]
    return sorted(judged, key=lambda pair: -(pair[1][run.primary_metric]["value"] or 0))


def winner_of(run: EvaluationRun) -> str:
    return run.model_version.algorithm if run.model_version is not None else ""
