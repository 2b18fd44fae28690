"""What the model card says of customers without a history."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from recommendations.training.backoffice.labels.algorithm_labels import metric_name
from recommendations.training.backoffice.model_card_charts import intervals_of
from recommendations.training.models import EvaluationRun

CONTESTANT_NAMES: dict[str, str | Promise] = {
    "popularity": gettext_lazy("Popularity"),
    "traits": gettext_lazy("By traits"),
    "cluster": gettext_lazy("By the cluster that the traits speak for"),
    "landing": gettext_lazy("By landing category"),
    "all": gettext_lazy("Traits, cluster and landing category together"),
}
METRICS = ("ndcg@10", "hit_rate@10", "recall@10")
MEASURED = "ndcg@10"


def cold_people_section(run: EvaluationRun) -> dict[str, Any] | None:
    """{"meaning", "chart", "tables", "fields"}; None where there was nobody to judge by."""
    found = run.cold_start.get("people") or {}
    if not found.get("held_out"):
        return None
    held_out, new, served = found["held_out"], found["new"], found["served"]
    rows = [
        (contestant_name(row["contestant"]), row["figures"][MEASURED], row["contestant"] == served)
        for row in sorted(held_out["rows"], key=lambda row: -(row["figures"][MEASURED]["value"] or 0))
    ]
    n = held_out["people"]
    titles = ngettext("%(n)d customer held out", "%(n)d customers held out", n) % {"n": n}
    tables = [table_of(held_out["rows"], served, title=titles)]
    arrived = new["people"]
    title = ngettext(
        "%(n)d customer with traits came after the cut", "%(n)d customers with traits came after the cut", arrived
    ) % {"n": arrived}
    tables.append(table_of(new["rows"], served, title=title))
    return {
        "meaning": meaning_of(held_out["rows"], served),
        "chart": intervals_of(metric_name(MEASURED), rows),
        "tables": tables,
        "fields": [field.removeprefix("traits.") for field in found["fields"]],
    }


def table_of(rows: Sequence[Mapping[str, Any]], served: str, *, title: str) -> dict[str, Any]:
    """As the table of the evaluation reads it."""
    return {
        "title": title,
        "metrics": [metric_name(metric) for metric in METRICS],
        "rows": [
            {
                "name": contestant_name(row["contestant"]),
                "cells": [row["figures"][metric] for metric in METRICS],
                "wins": row["contestant"] == served,
            }
            for row in rows
        ],
    }


def meaning_of(rows: Sequence[Mapping[str, Any]], served: str) -> str:
    """One sentence: what serves such people, and how much better than popularity it was on people who chose nothing."""
    if served == "popularity":
        return _("Nothing known of new customers beat popularity on the validation part, so they get what is popular.")
    beside = next(row["difference"] for row in rows if row["contestant"] == served)
    said = {
        "name": contestant_name(served),
        "difference": f"{beside['value']:+.4f}",
        "low": f"{beside['low']:+.4f}",
        "high": f"{beside['high']:+.4f}",
        "metric": metric_name(MEASURED),
    }
    if beside["low"] > 0:
        text = _("New customers are served so: %(name)s. That is better than popularity beyond chance")
    elif beside["high"] < 0:
        text = _(
            "New customers are served so: %(name)s. It was chosen before the cut, but after it was worse than popularity"
        )
    else:
        text = _("New customers are served so: %(name)s. The difference to popularity may be chance")
    return (text + ": %(metric)s %(difference)s (%(low)s – %(high)s).") % said


def contestant_name(contestant: str) -> str:
    return str(CONTESTANT_NAMES.get(contestant, contestant))
