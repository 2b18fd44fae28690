"""Charts without a script: columns over time and bars by name, drawn by the server as SVG and HTML.

For pages that need no brush and should load fast. Heights and widths are percentages of the largest value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 0.25  # of a column's width


@dataclass(frozen=True)
class LightBar:
    """One column or bar: what it is about, its value as a text, and its rectangle in percent."""

    label: str
    text: str
    url: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class ColumnChart:
    """Columns over time; ``line`` has the points of the compared values, empty without them."""

    label: str
    bars: list[LightBar]
    line: str
    top: str
    axis: list[str]


@dataclass(frozen=True)
class BarList:
    """Bars by name, the longest 100% wide."""

    label: str
    bars: list[LightBar]


def build_columns(
    *,
    label: str,
    labels: Sequence[str],
    values: Sequence[float | None],
    texts: Sequence[str],
    links: Sequence[str] = (),
    compared: Sequence[float | None] = (),
    top: str = "",
) -> ColumnChart:
    """Return columns for the component `<c-columns>`.

    Args:
        label: what the chart shows, for screen readers. values: None for one that is unknown; it has no column. texts: the values as texts.
        links: the page of each column. compared: values of the comparable period, drawn as a line that skips those that are None. top: the
        largest value of the chart as a text.
    """
    highest = max([0.0, *(value for value in (*values, *compared) if value is not None)]) or 1.0
    heights = [100 * max(value or 0, 0) / highest for value in values]
    step = 100 / max(len(values), 1)
    bars = [
        LightBar(
            label=name,
            text=text,
            url=links[number] if links else "",
            x=round(step * (number + GAP / 2), 3),
            y=round(100 - height, 3),
            width=round(step * (1 - GAP), 3),
            height=round(height, 3),
        )
        for number, (name, height, text) in enumerate(zip(labels, heights, texts, strict=True))
    ]
    line = " ".join(
        f"{step * (number + 0.5):.3f},{100 - 100 * max(value, 0) / highest:.3f}"
        for number, value in enumerate(compared)
        if value is not None
    )
    return ColumnChart(label, bars, line, top, choose_axis_labels(labels))


def choose_axis_labels(labels: Sequence[str]) -> list[str]:
    """Return the first, the middle and the last label."""
    if len(labels) < 3:
        return list(labels)
    return [labels[0], labels[len(labels) // 2], labels[-1]]


def build_bar_list(
    *, label: str, labels: Sequence[str], values: Sequence[float], texts: Sequence[str], links: Sequence[str] = ()
) -> BarList:
    """Return bars for the component `<c-bar-list>`."""
    highest = max([*values, 0.0]) or 1.0
    return BarList(
        label,
        [
            LightBar(name, text, links[number] if links else "", 0, 0, round(100 * max(value, 0) / highest, 3), 100)
            for number, (name, value, text) in enumerate(zip(labels, values, texts, strict=True))
        ],
    )
