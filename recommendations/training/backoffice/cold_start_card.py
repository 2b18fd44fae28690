"""The model card section about customers without a history."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from recommendations.training.backoffice.labels.algorithm_labels import get_metric_label
from recommendations.training.backoffice.model_card_charts import build_intervals_spec
from recommendations.training.models import EvaluationRun

CONTESTANT_NAMES: dict[str, str | Promise] = {
    "popularity": gettext_lazy("Popularity"),
    "traits": gettext_lazy("By traits"),
    "cluster": gettext_lazy("By predicted cluster"),
    "landing": gettext_lazy("By landing category"),
    "all": gettext_lazy("Traits, cluster and landing category combined"),
}
METRICS = ("ndcg@10", "hit_rate@10", "recall@10")
SORT_METRIC = "ndcg@10"


def build_cold_start_section(run: EvaluationRun) -> dict[str, Any] | None:
    """Return {"meaning", "chart", "tables", "fields"}; None if no customer could be evaluated."""
    figures = run.cold_start.get("people") or {}
    if not figures.get("held_out"):
        return None
    held_out, new, served = figures["held_out"], figures["new"], figures["served"]
    rows = [
        (get_contestant_label(row["contestant"]), row["figures"][SORT_METRIC], row["contestant"] == served)
        for row in sorted(held_out["rows"], key=lambda row: -(row["figures"][SORT_METRIC]["value"] or 0))
    ]
    n = held_out["people"]
    held_out_title = ngettext("%(n)d customer held out", "%(n)d customers held out", n) % {"n": n}
    n_new = new["people"]
    new_title = ngettext(
        "%(n)d customer with traits who joined after the split",
        "%(n)d customers with traits who joined after the split",
        n_new,
    ) % {"n": n_new}
    return {
        "meaning": describe_result(held_out["rows"], served),
        "chart": build_intervals_spec(get_metric_label(SORT_METRIC), rows),
        "tables": [
            build_metric_table(held_out["rows"], served, title=held_out_title),
            build_metric_table(new["rows"], served, title=new_title),
        ],
        "fields": [field.removeprefix("traits.") for field in figures["fields"]],
    }


def build_metric_table(rows: Sequence[Mapping[str, Any]], served: str, *, title: str) -> dict[str, Any]:
    """Return rows in the format of the evaluation table."""
    return {
        "title": title,
        "metrics": [get_metric_label(metric) for metric in METRICS],
        "rows": [
            {
                "name": get_contestant_label(row["contestant"]),
                "cells": [row["figures"][metric] for metric in METRICS],
                "wins": row["contestant"] == served,
            }
            for row in rows
        ],
    }


def describe_result(rows: Sequence[Mapping[str, Any]], served: str) -> str:
    """Return a sentence on the method for new customers.

    It contains the difference to popularity on the test part.
    """
    if served == "popularity":
        return _("No method beat popularity on the validation period, so new customers get popular products.")
    difference = next(row["difference"] for row in rows if row["contestant"] == served)
    if difference["low"] is None:
        return _("Method for new customers: %(name)s. There are too few customers to compare it with popularity.") % {
            "name": get_contestant_label(served)
        }
    values = {
        "name": get_contestant_label(served),
        "difference": f"{difference['value']:+.4f}",
        "low": f"{difference['low']:+.4f}",
        "high": f"{difference['high']:+.4f}",
        "metric": get_metric_label(SORT_METRIC),
    }
    if difference["low"] > 0:
        text = _("Method for new customers: %(name)s. It is significantly better than popularity")
    elif difference["high"] < 0:
        text = _(
            "Method for new customers: %(name)s. It was best on the validation period but worse than popularity on the test period"
        )
    else:
        text = _("Method for new customers: %(name)s. The difference from popularity is not significant")
    return (text + ": %(metric)s %(difference)s (%(low)s – %(high)s).") % values


def get_contestant_label(contestant: str) -> str:
    """Return the label of a cold-start method."""
    return str(CONTESTANT_NAMES.get(contestant, contestant))
