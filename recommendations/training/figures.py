"""An evaluation as charts and tables show it."""

from typing import Any

from recommendations.training.models import EvaluationRun, ModelVersion

SHOWN_METRICS = ("ndcg@10", "precision@10", "recall@10", "f1@10", "hit_rate@10", "map@10", "coverage@10")


def evaluation_table(run: EvaluationRun) -> dict[str, Any]:
    """{"metrics": names, "rows": [{"algorithm", "cells": [{"value", "low", "high"}], "wins"}]}, best primary metric first."""
    wins = run.model_version.algorithm if run.model_version is not None else ""
    rows = [
        {"algorithm": name, "cells": [figures.get(metric) or {} for metric in SHOWN_METRICS], "wins": name == wins}
        for name, figures in run.figures.items()
    ]
    rows.sort(key=lambda row: -(row["cells"][0].get("value") or 0))
    return {"metrics": list(SHOWN_METRICS), "rows": rows}


def quality_chart(run: EvaluationRun) -> dict[str, Any]:
    """{"labels", "series": values of the primary metric, "low", "high"}, best first."""
    found = sorted(
        ((name, figures[run.primary_metric]) for name, figures in run.figures.items() if run.primary_metric in figures),
        key=lambda pair: -(pair[1]["value"] or 0),
    )
    return {
        "metric": run.primary_metric,
        "labels": [name for name, _ in found],
        "series": [figure["value"] for _, figure in found],
        "low": [figure["low"] for _, figure in found],
        "high": [figure["high"] for _, figure in found],
        "cut_at": run.cut_at,
        "test_users": run.test_users,
    }


def active_quality() -> dict[str, Any] | None:
    """The chart of the version that serves for-you, with its name and age; None before the first training."""
    active = ModelVersion.objects.filter(scenario="for-you", status=ModelVersion.Status.ACTIVE).first()
    if active is None:
        return None
    run = active.evaluations.filter(status=EvaluationRun.Status.DONE).order_by("-started_at").first()
    chart = quality_chart(run) if run is not None and run.figures else None
    return {
        "version": active.version,
        "algorithm": active.algorithm,
        "as_of": active.as_of,
        "created_at": active.created_at,
        "chart": chart,
    }
