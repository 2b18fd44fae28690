"""The part of the Lifecycle page about RFM: the map, the groups, and who moved between them from one month end to another."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.lifecycle.backoffice.drilldowns import NONE, Month, basis_name, group_name, known_months, people_link
from customers.lifecycle.backoffice.transition_matrix import sankey, shown_matrix
from customers.lifecycle.models import LifecycleRun
from customers.lifecycle.rfm.months import a_month_ago
from customers.lifecycle.rfm.queries import (
    ALL_TIME,
    BASES,
    WINDOW,
    Basis,
    profiles_run,
    rfm_counts_at,
    rfm_groups,
    rfm_map,
    rfm_movement,
    window_days,
)
from customers.lifecycle.scoring.rfm.rfm_scores import BINS, CELLS, GROUPS

SCORES = range(1, BINS + 1)


class RfmForm(forms.Form):
    """Of which time the scores are, and between which month ends movement is told."""

    rfm = forms.ChoiceField(label=gettext_lazy("scores of"))
    rfm_since = forms.ChoiceField(label=gettext_lazy("groups from"))
    rfm_until = forms.ChoiceField(label=gettext_lazy("to"))

    @classmethod
    def asked(cls, given: Mapping[str, str], months: list[Month]) -> "RfmForm":
        """By default all time, and the last month whose end is known."""
        usual = {"rfm": ALL_TIME.key, "rfm_since": months[1].key, "rfm_until": months[0].key}
        form = cls({**usual, **{name: given[name] for name in usual if given.get(name)}})
        form.set_choices("rfm", [(basis.key, basis_name(basis)) for basis in BASES.values()])
        for name in ("rfm_since", "rfm_until"):
            form.set_choices(name, [(month.key, month.name) for month in months])
        return form

    def set_choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if told.get("rfm_since") and told.get("rfm_until") and told["rfm_until"] <= told["rfm_since"]:
            self.add_error("rfm_until", _("Give a later month than the first."))
        return told


def rfm_section(given: Mapping[str, str]) -> dict[str, Any]:
    """given: the parameters of the page's address. empty: nobody has scores yet; untold: the refresh was of an older version."""
    run, months = profiles_run(), known_months()
    if run is None:
        return {"empty": True}
    if not months:
        return {"untold": True, **shown_basis(ALL_TIME, run, None)}
    form = RfmForm.asked(given, months)
    basis = BASES.get(form["rfm"].value(), ALL_TIME)
    section = {"form": form, **shown_basis(basis, run, months[a_month_ago(as_of=run.as_of)])}
    if form.is_valid():
        chosen = {month.key: month for month in months}
        since, until = (chosen[form.cleaned_data[name]] for name in ("rfm_since", "rfm_until"))
        section["movement"] = shown_movement(basis, since, until)
    return section


def shown_basis(basis: Basis, run: LifecycleRun, before: Month | None) -> dict[str, Any]:
    """The map and the groups. before: the month end that the groups are compared with, if one is known."""
    cells = rfm_map(basis=basis)
    customers = sum(cell["customers"] for cell in cells)
    total = sum((cell["total_revenue"] for cell in cells), Decimal(0))
    days = window_days(run)
    found = {(cell["r"], cell["f"]): cell for cell in cells}
    return {
        "empty": not customers,
        "is_window": basis is WINDOW,
        "basis": basis_name(basis),
        "run": run,
        "days": None if days is None else number_format(days, force_grouping=True),
        "customers": customers,
        "map": shown_map(basis, found, total),
        "chart": map_chart(basis, found, total),
        "groups": shown_groups(basis, run, before, customers, total),
        "before": before.name if before else "",
    }


def shown_map(basis: Basis, found: dict[tuple[int, int], dict[str, Any]], total: Decimal) -> list[dict[str, Any]]:
    """A row for each F from 5 down, in it a cell for each R from 1 to 5."""
    return [
        {"f": f, "cells": [shown_cell(basis, r, f, found.get((r, f)), total) for r in SCORES]} for f in reversed(SCORES)
    ]


def shown_cell(basis: Basis, r: int, f: int, cell: dict[str, Any] | None, total: Decimal) -> dict[str, Any]:
    revenue = cell["total_revenue"] if cell else Decimal(0)
    return {
        "group": CELLS[r - 1][f - 1],
        "name": group_name(CELLS[r - 1][f - 1], basis),
        "customers": cell["customers"] if cell else 0,
        "share": share_of(revenue, total),
        "url": people_link("rfm-cell", basis=basis.key, r=r, f=f) if cell else "",
    }


def map_chart(basis: Basis, found: dict[tuple[int, int], dict[str, Any]], total: Decimal) -> dict[str, Any]:
    """All 25 cells in the colours of their groups."""
    rows = [[shown_cell(basis, r, f, found.get((r, f)), total) for r in SCORES] for f in SCORES]
    return {
        "kind": "groups",
        "labels": [str(r) for r in SCORES],
        "rows": [str(f) for f in SCORES],
        "across": _("Recency: 5 bought last"),
        "up": _("Frequency: 5 buys most often"),
        "keys": [[cell["group"] for cell in row] for row in rows],
        "texts": [
            [
                f"{capfirst(cell['name'])}\n{number_format(cell['customers'], force_grouping=True)}\n{cell['share']}"
                for cell in row
            ]
            for row in rows
        ],
        "links": [[cell["url"] for cell in row] for row in rows],
    }


def shown_groups(
    basis: Basis, run: LifecycleRun, before: Month | None, customers: int, total: Decimal
) -> list[dict[str, Any]]:
    then = rfm_counts_at(basis=basis, back=before.back) if before else {}
    return [
        {
            "key": group,
            "name": capfirst(group_name(group, basis)),
            "url": people_link("rfm-group", basis=basis.key, group=group) if row["customers"] else "",
            "customers": row["customers"],
            "share": share_of(row["customers"], customers),
            "revenue": row["revenue"],
            "revenue_share": share_of(row["revenue"], total),
            "recency_days": row["recency_days"],
            "orders": row["orders"],
            "value": row["value"],
            "change": row["customers"] - then[group] if before else None,
        }
        for group, row in rfm_groups(basis=basis, as_of=run.as_of).items()
    ]


def share_of(part: Decimal | int, whole: Decimal | int) -> str:
    """Of a hundred with one decimal; a dash where the whole is nothing, or less than nothing after returns."""
    return f"{number_format(round(100 * float(part) / float(whole), 1))}\u00a0%" if whole > 0 else "–"


def shown_movement(basis: Basis, since: Month, until: Month) -> dict[str, Any]:
    """The matrix from each group (rows) to each (columns), and those who stand elsewhere as flows."""
    rows = rfm_movement(basis=basis, since=since.back, until=until.back)
    counts = {(row["from_group"], row["to_group"]): row["customers"] for row in rows}

    def link(old: str, new: str) -> str:
        asked = {"basis": basis.key, "since": since.key, "until": until.key, "from": old or NONE, "to": new or NONE}
        return people_link("rfm-moved", **asked)

    def name(group: str) -> str:
        return group_name(group, basis)

    news = (*GROUPS, "")
    return {
        "since": since.name,
        "until": until.name,
        "matrix": shown_matrix(counts, olds=("", *GROUPS), news=news, name=name, link=link),
        "sankey": sankey(counts, news=news, name=name, link=link, palette="rfm"),
    }
