"""Draws the charts of docs/capacity.md as SVG, in English and Chinese: each cost against its size, both on logarithmic scales."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.truth_charts import ESTIMATE, GAP, GRID, INK, LEFT, PANEL, TOP, draw_line, wrap, write_text

COLUMNS = 4
LANGUAGES = {
    "": {
        "import_orders": "Import of orders",
        "import_events": "Import of events",
        "process_imported": "Processing of imported events",
        "export": "Export to the warehouse",
        "refresh": "First refresh",
        "nightly_refresh": "Nightly refresh",
        "training": "Training",
        "funnel": "Funnel",
        "ingest": "Collector",
        "processing": "Processing of live events",
        "serving": "Recommendation",
        "sending": "Sending",
        "caption": "points: measured; line: cost ∝ size; both scales are logarithmic",
        "total_cpu_s": "processor s",
        "cpu_us": "µs per request",
    },
    ".zh-hans": {
        "import_orders": "导入订单",
        "import_events": "导入事件",
        "process_imported": "处理导入的事件",
        "export": "导出到数据仓库",
        "refresh": "首次刷新",
        "nightly_refresh": "每日刷新",
        "training": "训练",
        "funnel": "漏斗",
        "ingest": "采集接口",
        "processing": "处理实时事件",
        "serving": "推荐请求",
        "sending": "发送",
        "caption": "点：实测；线：成本与规模成正比；两轴均为对数刻度",
        "total_cpu_s": "处理器秒",
        "cpu_us": "微秒/请求",
    },
}


def write_growth_charts(costs: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write capacity-growth.svg in both languages. costs: by name, as benchmarks.growth prints them."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, texts in LANGUAGES.items():
        (folder / f"capacity-growth{suffix}.svg").write_text(draw_growth(costs, texts) + "\n", encoding="utf-8")


def draw_growth(costs: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> str:
    parts: list[str] = []
    for number, (name, cost) in enumerate(costs.items()):
        x = LEFT + number % COLUMNS * (PANEL + GAP)
        y = TOP + number // COLUMNS * (PANEL + GAP + 20)
        parts.append(write_text(x, y - 10, texts[name], size=14, weight=600))
        parts += draw_panel(x, y, cost["units"], cost["values"], texts[cost["measure"]])
    height = TOP + -(-len(costs) // COLUMNS) * (PANEL + GAP + 20)
    parts.append(write_text(LEFT, height - 8, texts["caption"]))
    return wrap(LEFT + COLUMNS * (PANEL + GAP), height, parts)


def draw_panel(x: int, y: int, units: Sequence[float], values: Sequence[float], measure: str) -> list[str]:
    """Draw the points, and the line through the last one on which the cost is proportional to the size."""
    low_x, high_x = math.log10(min(units)), math.log10(max(units))
    shown = [value for value in values if value > 0]
    middle = (math.log10(min(shown)) + math.log10(max(shown))) / 2
    span = high_x - low_x  # both axes have the same scale, so the line is a diagonal
    low_y = middle - span / 2

    def place(unit: float, value: float) -> tuple[float, float]:
        return x + (math.log10(unit) - low_x) / span * PANEL, y + PANEL - (math.log10(value) - low_y) / span * PANEL

    parts = [f"<rect x='{x}' y='{y}' width='{PANEL}' height='{PANEL}' fill='none' stroke='{GRID}'/>"]
    offset = math.log10(values[-1]) - high_x if values[-1] > 0 else low_y - low_x
    at_left = min(max(low_x + offset, low_y), low_y + span)
    left, right = place(10 ** (at_left - offset), 10**at_left), place(10**high_x, 10 ** (high_x + offset))
    parts.append(draw_line(*left, *right, GRID))
    points = [place(unit, value) for unit, value in zip(units, values, strict=True) if value > 0]
    parts += [f"<circle cx='{px:.1f}' cy='{py:.1f}' r='4' fill='{ESTIMATE}'/>" for px, py in points]
    for unit, anchor, at in ((units[0], "start", x), (units[-1], "end", x + PANEL)):
        parts.append(write_text(at, y + PANEL + 15, f"{unit:,.0f}", anchor=anchor))
    last = points[-1]
    parts.append(write_text(last[0] - 8, last[1] - 6, f"{values[-1]:,.4g} {measure}", anchor="end"))
    parts.append(draw_line(x, y + PANEL, x + PANEL, y + PANEL, INK))
    return parts
