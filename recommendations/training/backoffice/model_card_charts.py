"""A training as the charts and tables of its model card show it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from recommendations.training.backoffice.labels.algorithm_labels import (
    algorithm_name,
    kind_name,
    metric_name,
    segment_name,
)
from recommendations.training.models import EvaluationRun

SHOWN_METRICS = ("ndcg@10", "precision@10", "recall@10", "f1@10", "hit_rate@10", "map@10", "mrr@10")
BEYOND_METRICS = ("coverage@10", "novelty@10", "diversity@10", "popularity_lift@10", "gini@10")
BASELINES = ("popularity", "repeat")
TRIED_ORDERS = ("-value", "value", "algorithm", "-seconds", "tried")
MOST_TRIED = 200


def evaluation_table(run: EvaluationRun, metrics: Iterable[str] = SHOWN_METRICS) -> dict[str, Any]:
    """{"metrics": names, "rows": [{"algorithm", "name", "cells": [{"value", "low", "high"}], "wins"}]}, best primary metric first."""
    rows = [
        {
            "algorithm": name,
            "name": algorithm_name(name),
            "cells": [figures.get(metric) or {} for metric in metrics],
            "wins": name == winner_of(run),
        }
        for name, figures in best_first(run)
    ]
    return {"metrics": [metric_name(metric) for metric in metrics], "rows": rows}


def interval_chart(run: EvaluationRun) -> dict[str, Any]:
    """The primary metric of every algorithm with its interval, best first, as the back office's charts read it."""
    found = [(name, figures[run.primary_metric]) for name, figures in best_first(run)]
    return intervals_of(
        metric_name(run.primary_metric),
        [(algorithm_name(name), figure, name == winner_of(run)) for name, figure in found],
    )


def intervals_of(across: str, rows: Sequence[tuple[str, Mapping[str, Any], bool]]) -> dict[str, Any]:
    return {
        "kind": "intervals",
        "across": across,
        "labels": [label for label, _figure, _serves in rows],
        "values": [figure["value"] for _label, figure, _serves in rows],
        "low": [figure["low"] for _label, figure, _serves in rows],
        "high": [figure["high"] for _label, figure, _serves in rows],
        "texts": [f"{figure['value']:.4f}" for _label, figure, _serves in rows],
        "serves": [serves for _label, _figure, serves in rows],
    }


def segment_chart(run: EvaluationRun) -> dict[str, Any] | None:
    """What serves and the baselines, for each segment."""
    wanted = [winner_of(run), *(name for name in BASELINES if name != winner_of(run))]
    rows = [
        (
            f"{segment_name(row['segment'])} · {algorithm_name(row['algorithm'])}",
            row,
            row["algorithm"] == winner_of(run),
        )
        for segment in segments_in(run)
        for name in wanted
        for row in run.segments
        if (row["segment"], row["algorithm"], row["metric"]) == (segment, name, run.primary_metric)
        and row["value"] is not None
    ]
    return intervals_of(metric_name(run.primary_metric), rows) if rows else None


def segments_in(run: EvaluationRun) -> list[str]:
    return list(dict.fromkeys(row["segment"] for row in run.segments))


def segment_table(run: EvaluationRun) -> dict[str, Any]:
    """Algorithms in rows, segments in columns, the primary metric in the cells."""
    segments = segments_in(run)
    cells = {(row["algorithm"], row["segment"]): row for row in run.segments if row["metric"] == run.primary_metric}
    people = {segment: next((cells[key]["people"] for key in cells if key[1] == segment), 0) for segment in segments}
    return {
        "segments": [{"name": segment_name(segment), "people": people[segment]} for segment in segments],
        "rows": [
            {
                "name": algorithm_name(name),
                "wins": name == winner_of(run),
                "cells": [cells.get((name, segment)) or {} for segment in segments],
            }
            for name, _figures in best_first(run)
        ],
    }


def new_products_table(run: EvaluationRun) -> dict[str, Any] | None:
    """Counts, and as `evaluation_table` the figures of new products among themselves and among all; None of an older run."""
    told = run.cold_start.get("products")
    if told is None:
        return None
    columns = [(among, metric) for among in ("new", "all") for metric in ("recall@10", "ndcg@10")]
    among_names = {"new": _("among the new"), "all": _("among all")}
    rows = [
        {
            "name": algorithm_name(name),
            "wins": name == winner_of(run),
            "cells": [figures[among][metric] for among, metric in columns],
        }
        for name, figures in told["figures"].items()
    ]
    metrics = [f"{metric_name(metric)} {among_names[among]}" for among, metric in columns]
    return {**told, "metrics": metrics, "rows": rows}


def ablation_chart(run: EvaluationRun) -> dict[str, Any] | None:
    """What is lost without each part of the blend; to the left of 0 it would be better without."""
    rows = [
        (algorithm_name(row["without"]), {**row, "value": row["lost"]}, False)
        for row in run.ablation
        if row["lost"] is not None
    ]
    return intervals_of(metric_name(run.primary_metric), rows) if rows else None


def popularity_chart(run: EvaluationRun) -> dict[str, Any] | None:
    """How much of the catalogue an algorithm shows against how far it leans to what is popular."""
    rows = [
        (name, figures["coverage@10"]["value"], figures["popularity_lift@10"]["value"])
        for name, figures in best_first(run)
        if (figures.get("coverage@10") or {}).get("value") is not None
        and (figures.get("popularity_lift@10") or {}).get("value") is not None
    ]
    if not rows:
        return None
    return {
        "kind": "points",
        "across": metric_name("coverage@10"),
        "up": metric_name("popularity_lift@10"),
        "x": [coverage for _name, coverage, _lift in rows],
        "y": [lift for _name, _coverage, lift in rows],
        "labels": [algorithm_name(name) for name, _coverage, _lift in rows],
        "serves": [name == winner_of(run) for name, _coverage, _lift in rows],
    }


def tried_chart(run: EvaluationRun) -> dict[str, Any] | None:
    """The value of every trial in the order in which they were made."""
    rows = [(place, row) for place, row in enumerate(run.tried, start=1) if row.get("value") is not None]
    if not rows:
        return None
    return {
        "kind": "points",
        "across": _("trial"),
        "up": metric_name(run.primary_metric),
        "x": [place for place, _row in rows],
        "y": [row["value"] for _place, row in rows],
        "labels": [algorithm_name(row["algorithm"]) for _place, row in rows],
        "serves": [bool(row.get("chosen")) for _place, row in rows],
        "plain": True,
    }


def tried_table(run: EvaluationRun, order: str) -> list[dict[str, Any]]:
    """Every trial, by one of TRIED_ORDERS; the largest value first by default."""
    rows = [
        {
            "place": place,
            "algorithm": algorithm_name(row["algorithm"]),
            "parameters": ", ".join(f"{name} {shown(value)}" for name, value in row["parameters"].items()),
            "value": row.get("value"),
            "seconds": row.get("seconds"),
            "chosen": bool(row.get("chosen")),
        }
        for place, row in enumerate(run.tried, start=1)
        if "parameters" in row
    ]
    keys: dict[str, Any] = {
        "-value": lambda row: -(row["value"] if row["value"] is not None else -1.0),
        "value": lambda row: row["value"] if row["value"] is not None else -1.0,
        "algorithm": lambda row: row["algorithm"],
        "-seconds": lambda row: -(row["seconds"] or 0.0),
        "tried": lambda row: row["place"],
    }
    return sorted(rows, key=keys[order if order in keys else TRIED_ORDERS[0]])[:MOST_TRIED]


def parts_table(run: EvaluationRun) -> list[dict[str, Any]]:
    """The parts of the version: weight in for-you, parameters, what is lost without."""
    if run.model_version is None or "components" not in run.model_version.parameters:
        return []
    parameters = run.model_version.parameters
    lost = {row["without"]: row for row in run.ablation}
    rows = [
        {
            "name": algorithm_name(name),
            "weight": parameters["weights"].get(name, 0.0),
            "parameters": ", ".join(f"{key} {shown(value)}" for key, value in described["parameters"].items()),
            "lost": lost.get(name),
        }
        for name, described in parameters["components"].items()
    ]
    return sorted(rows, key=lambda row: -row["weight"])


def kinds_table(run: EvaluationRun) -> list[dict[str, Any]]:
    """How many interactions there were of each kind, and what one of them counts."""
    everything = run.interactions_by_kind.get("all", {})
    before = run.interactions_by_kind.get("before_cut", {})
    version = run.model_version
    weights = version.parameters.get("weighing", {}).get("kinds", {}) if version is not None else {}
    return [
        {
            "name": kind_name(kind),
            "all": number_format(count, force_grouping=True),
            "before_cut": number_format(before.get(kind, 0), force_grouping=True),
            "weight": weights.get(kind),
        }
        for kind, count in everything.items()
    ]


def limits_of(run: EvaluationRun) -> list[str]:
    """What this version cannot do, and what its figures do not say."""
    cold = (run.cold_start.get("people") or {}).get("served", "popularity")
    found = [
        _("Somebody without any history gets what is popular; the figures are of people who were there before the cut.")
        if cold == "popularity"
        else _("The figures of the evaluation are of people who were there before the cut; new ones are judged apart."),
        _("What nobody has bought yet is found by its texts alone."),
    ]
    everything, before = run.interactions_by_kind.get("all", {}), run.interactions_by_kind.get("before_cut", {})
    unlearnt = [kind for kind in everything if kind not in before and kind != "purchase"]
    if unlearnt and run.cut_at:
        names = ", ".join(kind_name(kind) for kind in unlearnt)
        found.append(
            _("There were none of these before the cut, so that what they count is as usual, not learnt: %(kinds)s.")
            % {"kinds": names}
        )
    few = [row for row in segments_in(run) if 0 < people_of(run, row) < 30]
    if few:
        names = ", ".join(segment_name(row) for row in few)
        found.append(_("Fewer than 30 customers, so that the figure says little: %(segments)s.") % {"segments": names})
    few_buyers = [row for row in run.segments if row["segment"] == "cold items" and row["algorithm"] == winner_of(run)]
    value = next((row["value"] for row in few_buyers if row["metric"] == run.primary_metric), None)
    if value is not None:
        found.append(
            _("Products that fewer than five people have bought: %(metric)s %(value)s.")
            % {"metric": metric_name(run.primary_metric), "value": f"{value:.4f}"}
        )
    return found


def people_of(run: EvaluationRun, segment: str) -> int:
    return max((row["people"] for row in run.segments if row["segment"] == segment), default=0)


def left_out_table(run: EvaluationRun) -> list[dict[str, str]]:
    return [
        {"name": algorithm_name(row["algorithm"]), "why": left_out_in_words(row["code"], row["values"])}
        for row in run.left_out
    ]


def left_out_in_words(code: str, values: Mapping[str, float]) -> str:
    said = {
        name: number_format(value, 4 if name == "value" else 0, force_grouping=True) for name, value in values.items()
    }
    match code:
        case "no_memory":
            return _("needs about %(needed)s MB with the data and the others; %(bound)s MB are allowed") % said
        case "no_time":
            return _("fitting and judging it takes about %(needed)s seconds, of %(left)s that are left") % said
        case "nothing_to_learn":
            return _("the data hold nothing for it to learn from")
        case "no_help":
            return _("does not help the blend on the validation part (alone %(value)s)") % said
    return code


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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
