"""Draws the charts of docs/truth.md as SVG, in English and Chinese, from the figures of benchmarks.truth."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

INK, GRID, ESTIMATE, CEILING = "#1f2937", "#d1d5db", "#2563eb", "#9ca3af"
FONT = "font-family='system-ui, sans-serif'"
PANEL, GAP, LEFT, TOP = 170, 60, 50, 40
ROW = 26
LANGUAGES = {
    "": {
        "p_active": "Active",
        "purchase_7": "Order in 7 days",
        "purchase_30": "Order in 30 days",
        "purchase_90": "Order in 90 days",
        "churn": "Churn",
        "stated": "stated probability",
        "real": "actual share",
        "orders": "Orders in 12 months",
        "spend": "Spend in 12 months",
        "lift": "Lift of campaigns",
        "lift_revenue": "Revenue of campaigns",
        "demand_shop": "Demand, shop, days",
        "demand_categories": "Demand, categories, days",
        "demand_products": "Demand, products, days",
        "demand_weeks": "Demand, categories, weeks",
        "inside": "true values inside the interval",
        "tick": "tick: stated",
        "estimate": "Perennial",
        "ceiling": "ceiling: all parameters known",
        "auc": "AUC",
        "rank": "rank correlation",
    },
    ".zh-hans": {
        "p_active": "活跃",
        "purchase_7": "7 天内下单",
        "purchase_30": "30 天内下单",
        "purchase_90": "90 天内下单",
        "churn": "流失",
        "stated": "预测概率",
        "real": "实际比例",
        "orders": "12 个月订单数",
        "spend": "12 个月消费",
        "lift": "活动增量（转化）",
        "lift_revenue": "活动增量（收入）",
        "demand_shop": "需求：全店，按天",
        "demand_categories": "需求：品类，按天",
        "demand_products": "需求：商品，按天",
        "demand_weeks": "需求：品类，按周",
        "inside": "真值落在区间内的比例",
        "tick": "竖线：标称比例",
        "estimate": "Perennial",
        "ceiling": "上限：已知全部参数",
        "auc": "AUC",
        "rank": "秩相关",
    },
}
PROBABILITIES = ("p_active", "purchase_7", "purchase_30", "purchase_90", "churn")


def write_charts(figures: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, texts in LANGUAGES.items():
        for name, draw in CHARTS.items():
            (folder / f"truth-{name}{suffix}.svg").write_text(draw(figures, texts) + "\n", encoding="utf-8")


def draw_calibration(figures: dict[str, Any], texts: dict[str, str]) -> str:
    """Draw one square per probability: ten groups of customers, stated against actual."""
    parts = []
    names = [name for name in PROBABILITIES if "calibration" in figures.get(name, {})]
    for number, name in enumerate(names):
        x, y = LEFT + number % 3 * (PANEL + GAP), TOP + number // 3 * (PANEL + GAP + 20)
        parts.append(write_text(x, y - 10, texts[name], size=14, weight=600))
        parts.append(f"<rect x='{x}' y='{y}' width='{PANEL}' height='{PANEL}' fill='none' stroke='{GRID}'/>")
        parts.append(draw_line(x, y + PANEL, x + PANEL, y, GRID))
        for share in (0, 0.5, 1):
            parts.append(write_text(x + share * PANEL, y + PANEL + 15, f"{share:.0%}", anchor="middle"))
            parts.append(write_text(x - 6, y + PANEL * (1 - share) + 4, f"{share:.0%}", anchor="end"))
        calibration = figures[name]["calibration"]
        for stated, real in zip(calibration["stated"], calibration["real"], strict=True):
            parts.append(
                f"<circle cx='{x + stated * PANEL:.1f}' cy='{y + PANEL * (1 - real):.1f}' r='4' fill='{ESTIMATE}'/>"
            )
    rows = -(-len(names) // 3)
    height = TOP + rows * (PANEL + GAP + 20)
    parts.append(write_text(LEFT, height - 8, f"x: {texts['stated']}, y: {texts['real']}"))
    return wrap(LEFT + 3 * (PANEL + GAP), height, parts)


def draw_intervals(figures: dict[str, Any], texts: dict[str, str]) -> str:
    """Draw the share of true values inside the intervals as bars, and the stated share as a tick."""
    rows = list_intervals(figures)
    return draw_bars(
        [(texts[name], inside, stated) for name, inside, stated in rows],
        caption=f"{texts['inside']}; {texts['tick']}",
        has_ticks=True,
    )


def list_intervals(figures: dict[str, Any]) -> list[tuple[str, float, float]]:
    rows = [(name, figures[name]["inside"], figures[name]["stated"]) for name in ("orders", "spend")]
    lift = figures.get("lift", {})
    for name, key in (("lift", "conversion"), ("lift_revenue", "revenue")):
        if lift.get(key, {}).get("intervals"):
            rows.append((name, lift[key]["inside"] / lift[key]["intervals"], lift["stated"]))
    demand = figures.get("demand", {})
    rows += [
        (f"demand_{level}", demand[level]["inside_days"], demand["stated"])
        for level in ("shop", "categories", "products")
        if demand.get(level, {}).get("series")
    ]
    if demand.get("categories", {}).get("series"):
        rows.append(("demand_weeks", demand["categories"]["inside_weeks"], demand["stated"]))
    return rows


def draw_ceilings(figures: dict[str, Any], texts: dict[str, str]) -> str:
    """Draw how well each estimate ranks the customers, and the ceiling below it."""
    rows: list[tuple[str, float, float | None]] = []
    colors = []
    for name in (*PROBABILITIES, "orders", "spend"):
        figure = figures.get(name, {})
        key = "auc" if name in PROBABILITIES else "rank_correlation"
        if key in figure:
            unit = texts["auc" if key == "auc" else "rank"]
            rows += [(f"{texts[name]} ({unit})", figure[key], None), ("", figure[f"oracle_{key}"], None)]
            colors += [ESTIMATE, CEILING]
    return draw_bars(rows, caption=f"■ {texts['estimate']}   □ {texts['ceiling']}", colors=colors)


def draw_bars(
    rows: Sequence[tuple[str, float, float | None]],
    *,
    caption: str,
    has_ticks: bool = False,
    colors: Sequence[str] = (),
) -> str:
    left, width = 240, 380
    parts = []
    for number, (label, value, tick) in enumerate(rows):
        y = 14 + number * ROW
        color = colors[number] if colors else ESTIMATE
        parts.append(write_text(left - 8, y + 13, label, anchor="end", size=13))
        parts.append(
            f"<rect x='{left}' y='{y}' width='{max(value, 0) * width:.1f}' height='{ROW - 10}' fill='{color}'/>"
        )
        if has_ticks and tick is not None:
            parts.append(draw_line(left + tick * width, y - 4, left + tick * width, y + ROW - 6, INK, 2))
        parts.append(write_text(left + width + 8, y + 13, f"{value:.0%}" if has_ticks else f"{value:.2f}", size=13))
    height = 14 + len(rows) * ROW + 30
    parts.append(write_text(left, height - 10, caption))
    return wrap(left + width + 60, height, parts)


def draw_line(x1: float, y1: float, x2: float, y2: float, color: str, width: int = 1) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{color}' stroke-width='{width}'/>"


def write_text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: int = 400) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' font-weight='{weight}' fill='{INK}' "
        f"text-anchor='{anchor}'>{escape(text)}</text>"
    )


def wrap(width: int, height: int, parts: Sequence[str]) -> str:
    size = f"width='{width}' height='{height}' viewBox='0 0 {width} {height}'"
    background = f"<rect width='{width}' height='{height}' fill='#ffffff'/>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img'>{background}{''.join(parts)}</svg>"


CHARTS = {"calibration": draw_calibration, "intervals": draw_intervals, "ceilings": draw_ceilings}
