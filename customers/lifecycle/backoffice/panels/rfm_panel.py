"""The RFM page: the map, the groups, and changes between groups."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.charts import ChartSpec, build_heatmap
from config.foundation.number_formats import format_percent
from customers.lifecycle.backoffice.chart_colors import RFM_COLORS
from customers.lifecycle.backoffice.drilldowns import (
    ANY_GROUP,
    NO_GROUP,
    MonthEnd,
    get_basis_label,
    get_group_label,
    list_known_months,
    make_drilldown_url,
)
from customers.lifecycle.backoffice.labels.verdicts import describe_rfm
from customers.lifecycle.backoffice.transition_matrix import ANY, make_sankey_chart, make_transition_matrix
from customers.lifecycle.models import LifecycleRun
from customers.lifecycle.rfm.months import find_month_ago
from customers.lifecycle.rfm.queries import (
    ALL_TIME,
    BASES,
    WINDOW,
    RfmBasis,
    RfmCellFigures,
    RfmGroupFigures,
    count_group_flows,
    count_groups_at,
    get_profiles_run,
    get_window_days,
    query_rfm_cells,
    query_rfm_groups,
)
from customers.lifecycle.scoring.rfm.rfm_scores import BINS, RFM_CELLS, RFM_GROUPS

SCORES = range(1, BINS + 1)


class RfmForm(forms.Form):
    """The period of the scores, and the month ends between which changes are counted."""

    rfm = forms.ChoiceField(label=gettext_lazy("orders from"))
    rfm_since = forms.ChoiceField(label=gettext_lazy("Changes from"))
    rfm_until = forms.ChoiceField(label=gettext_lazy("to"))

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str], months: list[MonthEnd]) -> "RfmForm":
        """Return the form; by default all time and the last month."""
        defaults = {"rfm": ALL_TIME.key, "rfm_since": months[1].key, "rfm_until": months[0].key}
        form = cls({**defaults, **{name: parameters[name] for name in defaults if parameters.get(name)}})
        form.set_choices("rfm", [(basis.key, get_basis_label(basis)) for basis in BASES.values()])
        for name in ("rfm_since", "rfm_until"):
            form.set_choices(name, [(month.key, month.name) for month in months])
        return form

    def set_choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("rfm_since") and cleaned.get("rfm_until") and cleaned["rfm_until"] <= cleaned["rfm_since"]:
            self.add_error("rfm_until", _("Choose a month after the start month."))
        return cleaned


def build_rfm_panel(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the panel.

    empty: there are no scores. is_outdated: an older version made the refresh, without months.
    """
    run, months = get_profiles_run(), list_known_months()
    if run is None:
        return {"empty": True}
    if not months:
        return {"is_outdated": True, **format_basis(ALL_TIME, run, None)}
    form = RfmForm.from_parameters(parameters, months)
    basis = BASES.get(form["rfm"].value(), ALL_TIME)
    panel = {"form": form, **format_basis(basis, run, months[find_month_ago(as_of=run.as_of)])}
    if form.is_valid():
        months_by_key = {month.key: month for month in months}
        since, until = (months_by_key[form.cleaned_data[name]] for name in ("rfm_since", "rfm_until"))
        panel["flows"] = format_group_flows(basis, run, since, until)
    return panel


def format_basis(basis: RfmBasis, run: LifecycleRun, before: MonthEnd | None) -> dict[str, Any]:
    """Return the map and the groups. before: the month end to compare the groups with, if known."""
    cells = query_rfm_cells(basis=basis)
    customers = sum(cell["customers"] for cell in cells)
    total = sum((cell["total_revenue"] for cell in cells), Decimal(0))
    days = get_window_days(run)
    groups = query_rfm_groups(basis=basis, as_of=run.as_of)
    counts_before = count_groups_at(basis=basis, as_of=run.as_of, months_back=before.months_back) if before else None
    cells_by_score = {(cell["r"], cell["f"]): cell for cell in cells}
    return {
        "empty": not customers,
        "is_window": basis is WINDOW,
        "basis": get_basis_label(basis),
        "run": run,
        "days": None if days is None else number_format(days, force_grouping=True),
        "customers": customers,
        "map": format_map(basis, cells_by_score, total),
        "chart": make_map_chart(basis, cells_by_score, total),
        "groups": format_groups(basis, groups, counts_before, customers, total),
        "verdict": describe_rfm(groups),
        "before": before.name if before else "",
    }


def format_map(
    basis: RfmBasis, cells_by_score: dict[tuple[int, int], RfmCellFigures], total: Decimal
) -> list[dict[str, Any]]:
    """Return a row per F from 5 down, with a cell per R from 1 to 5."""
    return [
        {"f": f, "cells": [format_cell(basis, r, f, cells_by_score.get((r, f)), total) for r in SCORES]}
        for f in reversed(SCORES)
    ]


def format_cell(basis: RfmBasis, r: int, f: int, cell: RfmCellFigures | None, total: Decimal) -> dict[str, Any]:
    revenue = cell["total_revenue"] if cell else Decimal(0)
    return {
        "group": RFM_CELLS[r - 1][f - 1],
        "name": get_group_label(RFM_CELLS[r - 1][f - 1], basis),
        "customers": cell["customers"] if cell else 0,
        "share": format_share(revenue, total),
        "url": make_drilldown_url("rfm-cell", basis=basis.key, r=r, f=f) if cell else "",
    }


def make_map_chart(basis: RfmBasis, cells_by_score: dict[tuple[int, int], RfmCellFigures], total: Decimal) -> ChartSpec:
    """Return the heatmap of all 25 cells, in the colors of their groups."""
    rows = [[format_cell(basis, r, f, cells_by_score.get((r, f)), total) for r in SCORES] for f in SCORES]
    return build_heatmap(
        columns=[str(r) for r in SCORES],
        rows=[str(f) for f in SCORES],
        x_title=_("Recency (5 = most recent)"),
        y_title=_("Frequency (5 = most frequent)"),
        hover_prefix="R %{x} · F %{y}",
        names=[[capfirst(cell["name"]) for cell in row] for row in rows],
        texts=[
            [f"{number_format(cell['customers'], force_grouping=True)}\n{cell['share']}" for cell in row]
            for row in rows
        ],
        colors=[[RFM_COLORS[cell["group"]] for cell in row] for row in rows],
        links=[[cell["url"] for cell in row] for row in rows],
    )


def format_groups(
    basis: RfmBasis,
    groups: Mapping[str, RfmGroupFigures],
    counts_before: Mapping[str, int] | None,
    customers: int,
    total: Decimal,
) -> list[dict[str, Any]]:
    return [
        {
            "key": group,
            "color": RFM_COLORS[group],
            "name": capfirst(get_group_label(group, basis)),
            "url": make_drilldown_url("rfm-group", basis=basis.key, group=group) if row["customers"] else "",
            "customers": row["customers"],
            "share": format_share(row["customers"], customers),
            "revenue": row["revenue"],
            "revenue_share": format_share(row["revenue"], total),
            "recency_days": row["recency_days"],
            "orders": row["orders"],
            "value": row["value"],
            "change": None if counts_before is None else row["customers"] - counts_before[group],
        }
        for group, row in groups.items()
    ]


def format_share(part: Decimal | int, whole: Decimal | int) -> str:
    """Return a percentage with one decimal, or a dash if the total is not positive.

    After returns, for example, the total can be negative.
    """
    return format_percent(float(part) / float(whole) if whole > 0 else None)


def format_group_flows(basis: RfmBasis, run: LifecycleRun, since: MonthEnd, until: MonthEnd) -> dict[str, Any]:
    """Return the matrix of groups before (rows) and after (columns), and its chart."""
    rows = count_group_flows(basis=basis, as_of=run.as_of, since=since.months_back, until=until.months_back)
    counts = {(row["from_group"], row["to_group"]): row["customers"] for row in rows}

    names = {"": NO_GROUP, ANY: ANY_GROUP}

    def make_url(old: str, new: str) -> str:
        parameters = {
            "basis": basis.key,
            "since": since.key,
            "until": until.key,
            "from": names.get(old, old),
            "to": names.get(new, new),
        }
        return make_drilldown_url("rfm-flow", **parameters)

    def get_label(group: str) -> str:
        return get_group_label(group, basis)

    to_groups = (*RFM_GROUPS, "")
    return {
        "since": since.name,
        "until": until.name,
        "matrix": make_transition_matrix(
            counts, from_states=("", *RFM_GROUPS), to_states=to_groups, get_label=get_label, make_url=make_url
        ),
        "sankey": make_sankey_chart(
            counts, to_states=to_groups, get_label=get_label, make_url=make_url, colors=RFM_COLORS
        ),
    }
