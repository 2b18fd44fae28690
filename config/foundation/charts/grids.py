"""Charts of relations: heat maps, flows between states (Sankey) and profiles on several axes (radar)."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.charts.bars import Series
from config.foundation.charts.spec import (
    PHONE_WIDTH,
    TABLET_WIDTH,
    ChartSpec,
    NarrowVariant,
    break_labels,
    build_category_axis,
    build_chart_table,
    format_chart_number,
    summarize_values,
)
from config.foundation.number_formats import join_label

# in pixels: of a character of 11 pixels with its share of the gaps, of the title of the rows with the margins, and of a small phone
CHARACTER_WIDTH = 7
SIDE_WIDTH = 40
SMALL_PHONE_WIDTH = 360

type Grid[T] = Sequence[Sequence[T]]

RADAR_COLORS = (
    "#117d5c", "#d97706", "#2563eb", "#b91c1c", "#7c3aed", "#0891b2", "#65a30d", "#be185d", "#64748b", "#a16207",
)  # fmt: skip
RADAR_DASHES = (
    "solid",
    "dash",
    "dot",
    "dashdot",
    "longdash",
    "longdashdot",
)  # colors alone cannot be distinguished in grayscale
MAX_FILLED_SERIES = 3


def build_heatmap(
    *,
    columns: Sequence[str],
    rows: Sequence[str],
    names: Grid[str],
    texts: Grid[str],
    links: Grid[str],
    x_title: str,
    y_title: str,
    hover_prefix: str,
    values: Grid[float] | None = None,
    colors: Grid[str] | None = None,
) -> ChartSpec:
    """Return a grid of cells, colored by ``values`` or each with a color of its own; a click opens its link.

    Args:
        names: the name of each cell; left out on a phone, which has no room for it.
        texts: what is written below the name; lines are separated by "\\n". Left out on a phone if the cells are too narrow for it: the
            table below the chart has it too.
        hover_prefix: a Plotly template of the cell's position, such as "R %{x} · F %{y}".
    """
    hover = [
        [join_label(name, text.replace("\n", " · ")) for name, text in zip(*pair, strict=True)]
        for pair in zip(names, texts, strict=True)
    ]

    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": list(columns),
        "y": list(rows),
        "customdata": [list(row) for row in links],
        "hovertext": hover,
        "text": write_cells(names, texts, shorten_name=False),
        "texttemplate": "%{text}",
        "textfont": {"size": 11},
        "xgap": 3,
        "ygap": 3,
        "hovertemplate": f"{hover_prefix}<br>%{{hovertext}}<extra></extra>",
        "showscale": False,
    }
    if colors is not None:
        trace |= color_cells(colors)
    else:
        trace |= {"z": [list(row) for row in values or ()], "colorscale": "theme:scale"}
    names_width = max(map(len, rows), default=0) * CHARACTER_WIDTH
    fits = is_wide_enough(texts, len(columns), SMALL_PHONE_WIDTH - SIDE_WIDTH - names_width)
    phone = [[text.replace("\n", "<br>") if fits else "" for text in row] for row in texts]
    narrow: list[NarrowVariant] = [
        {"below": PHONE_WIDTH, "traces": [{"text": phone}]},
        {"below": TABLET_WIDTH, "traces": [{"text": write_cells(names, texts, shorten_name=True)}]},
    ]
    axes = {"xaxis": build_category_axis(x_title), "yaxis": build_category_axis(y_title)}
    cells = [[text.replace("\n", " · ") for text in row] for row in texts]
    table = build_chart_table(
        [f"{y_title} / {x_title}", *columns],
        [[row, *zip(*pair, strict=True)] for row, *pair in zip(rows, cells, links, strict=True)],
    )
    return {
        "traces": [trace],
        "layout": axes,
        "narrow": narrow,
        "table": table,
        "summary": _("%(rows)s rows and %(columns)s columns: %(y)s by %(x)s.")
        % {"rows": len(rows), "columns": len(columns), "y": y_title, "x": x_title},
    }


def is_wide_enough(texts: Grid[str], columns: int, width: int) -> bool:
    """Return whether the longest line of the texts fits into one of the columns that share the width."""
    longest = max((len(line) for row in texts for text in row for line in text.split("\n")), default=0)
    return longest * CHARACTER_WIDTH * columns <= width


def write_cells(names: Grid[str], texts: Grid[str], *, shorten_name: bool) -> list[list[str]]:
    """Return the cell texts; ``shorten_name`` breaks a name of two words into two lines, for narrow cells."""
    return [
        [
            f"{name.replace(' ', '<br>', 1) if shorten_name else name}<br>{text}".replace("\n", "<br>")
            for name, text in zip(*pair, strict=True)
        ]
        for pair in zip(names, texts, strict=True)
    ]


def color_cells(colors: Grid[str]) -> dict[str, Any]:
    """Return the part of a heat map that gives each cell its own color, independent of its value.

    Plotly accepts colors only as a scale over numbers: each color gets an equal step of the scale, and each cell the
    number in the middle of its color's step.
    """
    distinct = list(dict.fromkeys(color for row in colors for color in row))
    step = 1 / len(distinct)
    scale = [
        [end, f"{color}~cell"]
        for position, color in enumerate(distinct)
        for end in (position * step, (position + 1) * step)
    ]
    return {
        "z": [[distinct.index(color) + 0.5 for color in row] for row in colors],
        "colorscale": scale,
        "zmin": 0,
        "zmax": len(distinct),
        "textfont": {"size": 11, "color": "theme:ink"},
    }


def build_sankey_chart(
    *,
    labels: Sequence[str],
    colors: Sequence[str],
    sources: Sequence[int],
    targets: Sequence[int],
    values: Sequence[int],
    links: Sequence[str],
) -> ChartSpec:
    """Return flows from the states on the left to those on the right; a click on a flow opens its link.

    Args:
        labels, colors: of the states; ``sources`` and ``targets`` are positions in them.
    """
    trace = {
        "type": "sankey",
        "orientation": "h",
        "arrangement": "snap",
        "valueformat": ",d",
        "node": {
            "label": list(labels),
            "color": list(colors),
            "pad": 16,
            "thickness": 14,
            "line": {"width": 0},
            "hovertemplate": "%{label}: %{value}<extra></extra>",
        },
        "link": {
            "source": list(sources),
            "target": list(targets),
            "value": list(values),
            "customdata": list(links),
            "color": [f"{colors[target]}~flow" for target in targets],
            "hovertemplate": "%{source.label} → %{target.label}: %{value}<extra></extra>",
        },
    }
    names = [f"{labels[old]} → {labels[new]}" for old, new in zip(sources, targets, strict=True)]
    texts = [format_chart_number(value) for value in values]
    rows = zip(names, zip(texts, links, strict=True), strict=True)
    return {
        "traces": [trace],
        "layout": {},
        "table": build_chart_table([_("Change"), _("Customers")], [list(row) for row in rows]),
        "summary": summarize_values(names, values, texts),
    }


def build_radar_chart(*, labels: Sequence[str], series: Sequence[Series]) -> ChartSpec:
    """Return one closed line per series on axes from 0 to 100."""
    fill = "none" if len(series) > MAX_FILLED_SERIES else "toself"
    traces = [
        {
            "type": "scatterpolar",
            "name": line.name,
            "r": [*line.values, line.values[0]],
            "theta": [*labels, labels[0]],
            "customdata": [*line.links, *line.links[:1]],
            "line": {
                "color": RADAR_COLORS[position % len(RADAR_COLORS)],
                "dash": RADAR_DASHES[position % len(RADAR_DASHES)],
                "width": 2,
            },
            "fill": fill,
            "opacity": 0.9,
            "hovertemplate": "%{theta}: %{r}<extra>%{fullData.name}</extra>",
        }
        for position, line in enumerate(series)
    ]
    layout = {
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": -0.1, "yanchor": "top"},
        "margin": {"l": 72, "r": 72, "t": 32, "b": 24},
        "polar": {
            "bgcolor": "rgba(0,0,0,0)",
            "radialaxis": {"range": [0, 100], "gridcolor": "theme:grid", "nticks": 5},
            "angularaxis": {
                "gridcolor": "theme:grid",
                "tickfont": {"size": 11},
                "tickmode": "array",
                "tickvals": list(labels),
                "ticktext": break_labels(labels),
            },
        },
    }
    table = build_chart_table(
        [_("Axis"), *(line.name for line in series)],
        [[label, *cells] for label, *cells in zip(labels, *(line.cells for line in series), strict=True)],
    )
    names = [f"{line.name}, {label}" for line in series for label in labels]
    values = list(chain.from_iterable(line.values for line in series))
    summary = summarize_values(names, values, [format_chart_number(value) for value in values])
    return {"traces": traces, "layout": layout, "table": table, "summary": summary}
