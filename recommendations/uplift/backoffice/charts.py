"""The charts of the page Uplift."""

from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.points import build_interval_chart
from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_chart_table,
    build_number_axis,
    build_value_axis,
    format_chart_number,
    summarize_values,
)
from config.foundation.number_formats import format_count, format_whole_percent
from recommendations.measurement.presentation.formats import format_points
from recommendations.uplift.kinds.action_kind import Pool


def build_qini_chart(curve: dict[str, list[float]]) -> ChartSpec:
    """Return the additional orders among the customers with the highest predicted effect, compared with a random order."""
    shares, orders = [100 * share for share in curve["share"]], curve["orders"]
    model: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": _("By predicted effect"),
        "x": shares,
        "y": orders,
        "line": {"color": "theme:main", "width": 2},
        "hovertemplate": "%{x:.0f}%: %{y:.1f}<extra></extra>",
    }
    random = model | {
        "name": _("Random order"),
        "x": [0, 100],
        "y": [0, orders[-1]],
        "line": {"color": "theme:other", "width": 1, "dash": "dot"},
    }
    x_title, y_title = _("Customers from the highest prediction, in %"), _("Additional customers who order")
    texts = [format_chart_number(value) for value in orders]
    labels = [format_whole_percent(share) for share in curve["share"]]
    rows = [
        [label, text, format_chart_number(round(orders[-1] * share / 100, 2))]
        for label, text, share in zip(labels, texts, shares, strict=True)
    ]
    return {
        "traces": [random, model],
        "layout": TOP_LEGEND
        | {"xaxis": build_number_axis(x_title, range=[0, 100]), "yaxis": build_value_axis(y_title, [0, *orders])},
        "table": build_chart_table([x_title, y_title, _("Random order")], rows),
        "summary": summarize_values(labels, orders, texts),
    }


def build_group_chart(groups: list[dict[str, Any]], pool: Pool) -> ChartSpec:
    """Return the measured effect per group of customers, the highest prediction first."""
    known = [group for group in reversed(groups) if group["customers"] > 1]
    labels = [
        _("Group %(number)d: %(customers)s customers")
        % {"number": number, "customers": format_count(group["customers"])}
        for number, group in enumerate(known, start=1)
    ]
    return build_interval_chart(
        labels=labels,
        values=[100 * group["effect"] for group in known],
        low=[100 * group["low"] for group in known],
        high=[100 * group["high"] for group in known],
        texts=[format_points(group["effect"]) for group in known],
        highlighted=[group["low"] > 0 or group["high"] < 0 for group in known],
        x_title=_("Effect of an offer, in percentage points")
        if pool == Pool.OFFER
        else _("Effect of a message, in percentage points"),
    )
