"""Charts of relations: heat maps, flows between states (Sankey) and profiles on several axes (radar)."""

from collections.abc import Sequence
from typing import Any

from config.foundation.charts.bars import Series
from config.foundation.charts.spec import (
    PHONE_WIDTH,
    TABLET_WIDTH,
    ChartSpec,
    NarrowVariant,
    build_category_axis,
)

type Grid[T] = Sequence[Sequence[T]]

RADAR_COLORS = (
    "#117d5c", "#d97706", "#2563eb", "#b91c1c", "#7c3aed", "#0891b2", "#65a30d", "#be185d", "#64748b", "#a16207",
)  # fmt: skip
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
        texts: what is written below the name; lines are separated by "\\n".
        hover_prefix: a Plotly template of the cell's position, such as "R %{x} · F %{y}".
    """
    hover = [
        [f"{name}: {text.replace(chr(10), ' · ')}" for name, text in zip(*pair, strict=True)]
        for pair in zip(names, texts, strict=True)
    ]

    def write(shorten_name: bool) -> list[list[str]]:
        """Return the cell texts; ``shorten_name`` breaks a name of two words into two lines, for narrow cells."""
        return [
            [
                f"{name.replace(' ', '<br>', 1) if shorten_name else name}<br>{text}".replace("\n", "<br>")
                for name, text in zip(*pair, strict=True)
            ]
            for pair in zip(names, texts, strict=True)
        ]

    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": list(columns),
        "y": list(rows),
        "customdata": [list(row) for row in links],
        "hovertext": hover,
        "text": write(shorten_name=False),
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
    phone = [[text.replace("\n", "<br>") for text in row] for row in texts]
    narrow: list[NarrowVariant] = [
        {"below": PHONE_WIDTH, "traces": [{"text": phone}]},
        {"below": TABLET_WIDTH, "traces": [{"text": write(shorten_name=True)}]},
    ]
    axes = {"xaxis": build_category_axis(x_title), "yaxis": build_category_axis(y_title)}
    return {"traces": [trace], "layout": axes, "narrow": narrow}


def color_cells(colors: Grid[str]) -> dict[str, Any]:
    """Return the part of a heat map that gives each cell its own color, independent of its value.

    Plotly knows colors only as a scale over numbers: each color gets an equal step of the scale, and each cell the
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
    return {"traces": [trace], "layout": {}}


def build_radar_chart(*, labels: Sequence[str], series: Sequence[Series]) -> ChartSpec:
    """Return one closed line per series on axes from 0 to 100."""
    fill = "none" if len(series) > MAX_FILLED_SERIES else "toself"
    traces = [
        {
            "type": "scatterpolar",
            "name": line.name,
            "r": [*line.values, line.values[0]],
            "theta": [*labels, labels[0]],
            "line": {"color": RADAR_COLORS[position % len(RADAR_COLORS)], "width": 2},
            "fill": fill,
            "opacity": 0.9,
            "hovertemplate": "%{theta}: %{r}<extra>%{fullData.name}</extra>",
        }
        for position, line in enumerate(series)
    ]
    layout = {
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": -0.1, "yanchor": "top"},
        "margin": {"l": 60, "r": 60, "t": 24, "b": 24},
        "polar": {
            "bgcolor": "rgba(0,0,0,0)",
            "radialaxis": {"range": [0, 100], "gridcolor": "theme:grid", "nticks": 5},
            "angularaxis": {"gridcolor": "theme:grid"},
        },
    }
    return {"traces": traces, "layout": layout}
