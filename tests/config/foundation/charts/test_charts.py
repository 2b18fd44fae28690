"""Every type of chart gives a spec that the browser can draw."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils.translation import override

from config.foundation.charts import (
    CHART_TYPES,
    ChartSpec,
    build_bar_chart,
    build_calibration_chart,
    build_comparison_chart,
    build_funnel_chart,
    build_heatmap,
    build_interval_chart,
    build_line_chart,
    build_period_chart,
    build_point_chart,
    build_probability_history,
    build_radar_chart,
    build_sankey_chart,
    build_stacked_chart,
    build_state_history,
)
from config.foundation.charts.bars import STACK_COLORS, STACK_PATTERNS, Series
from config.foundation.charts.spec import break_label, build_value_axis

TITLES = {"x_title": "Across", "y_title": "Up"}
EXAMPLES: dict[str, ChartSpec] = {
    "bar": build_bar_chart(labels=["new", "loyal"], values=[3, 1], texts=["3", "1"], links=["/new", "/loyal"]),
    "comparison": build_comparison_chart(
        labels=["1", "2"], actual=Series("actual", [1, 2]), predicted=Series("predicted", [2, 2]), **TITLES
    ),
    "period": build_period_chart(
        labels=["May 1"], links=["/orders"], now=Series("now", [5], ["5"]), before=Series("before", [4], ["4"])
    ),
    "stacked": build_stacked_chart(
        labels=["10:00", "10:01"],
        series=[Series("Web shop", [3, 4], links=["/a", "/b"]), Series("rejected", [0, 1])],
        x_title="Minute",
        warning="rejected",
    ),
    "funnel": build_funnel_chart(
        labels=["Segment", "Audience"], values=[200, 50], title="Step", value_title="Customers"
    ),
    "heatmap": build_heatmap(
        columns=["1", "2"],
        rows=["1"],
        names=[["Champions", "At risk"]],
        texts=[["12\n40%", "3\n5%"]],
        links=[["/a", "/b"]],
        colors=[["#117d5c", "#ea580c"]],
        hover_prefix="R %{x}",
        **TITLES,
    ),
    "radar": build_radar_chart(labels=["orders", "revenue"], series=[Series("1", [10, 90])]),
    "sankey": build_sankey_chart(
        labels=["new", "active"],
        colors=["#38bdf8", "#22a06b"],
        sources=[0],
        targets=[1],
        values=[7],
        links=["/moved"],
    ),
    "interval": build_interval_chart(
        labels=["Weighted ensemble of models", "popularity"],
        values=[0.2, 0.1],
        low=[0.1, None],
        high=[0.3, None],
        texts=["0.2", "0.1"],
        highlighted=[True, False],
        x_title="NDCG",
    ),
    "point": build_point_chart(
        x=[1, 10], y=[0.1, 0.9], labels=["far away", "near"], highlighted=[True, False], **TITLES
    ),
    "calibration": build_calibration_chart(
        predicted=[10, 20],
        actual=[12, 18],
        low=[8, 15],
        high=[15, 22],
        customers=[100, 80],
        diagonal_name="exact",
        **TITLES,
    ),
    "line": build_line_chart(days=["2026-11-23", "2026-11-24"], values=[3, 5], name="Customers"),
    "probability history": build_probability_history(
        times=["2026-05-01 00:00:00"], percentages=[80.0], name="probability active", marks=[], marks_name="orders"
    ),
    "state history": build_state_history(
        states=["new", "active"],
        times=["2026-05-01 00:00:00", "2026-06-01 00:00:00"],
        values=["new", "active"],
        texts=["placed the first order", "ordered again"],
        end="2026-07-01 00:00:00",
        name="stage",
        marks=["2026-06-01 00:00:00"],
        marks_name="orders",
    ),
}


def list_strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in list_strings(item)]


def test_every_type_of_chart_has_an_example() -> None:
    assert EXAMPLES.keys() == CHART_TYPES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_spec_is_json_and_its_narrow_variants_fit_its_traces(name: str) -> None:
    spec = json.loads(json.dumps(EXAMPLES[name]))
    assert spec["traces"]
    widths = [variant["below"] for variant in spec.get("narrow", [])]
    assert widths == sorted(widths)
    assert all(len(variant["traces"]) == len(spec["traces"]) for variant in spec.get("narrow", []))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_browser_knows_every_color_of_the_theme(name: str) -> None:
    script = (Path(settings.BASE_DIR) / "config/static/backoffice/charts.js").read_text()
    texts = list_strings(EXAMPLES[name])
    colors = {text.removeprefix("theme:") for text in texts if text.startswith("theme:")}
    opacities = {match[1] for text in texts if (match := re.fullmatch(r"#[0-9a-f]{6}~(\w+)", text))}
    assert all(script.count(f"{color}: ") >= 2 for color in colors | opacities)  # in the light and the dark theme


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_chart_has_a_table_and_a_sentence_for_screen_readers(name: str) -> None:
    table = EXAMPLES[name]["table"]
    assert table["rows"]
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    assert all(cell["text"] for row in table["rows"] for cell in row)
    assert EXAMPLES[name]["summary"].endswith(".")


def test_the_table_has_the_links_and_the_sentence_the_extremes_of_the_chart() -> None:
    assert EXAMPLES["bar"]["table"]["rows"][0][1] == {"text": "3", "url": "/new"}
    assert EXAMPLES["bar"]["summary"] == "2 values. Largest: new, 3. Smallest: loyal, 1."
    with override("zh-hans"):
        spec = build_line_chart(days=["2026-11-23", "2026-11-24"], values=[3, 5000], name="客户")
    assert [cell["text"] for cell in spec["table"]["rows"][0]] == ["2026年11月24日", "5,000"]
    assert spec["layout"]["xaxis"]["tickformat"].startswith("%-m月%-d日")


def compute_lightness(color: str) -> float:
    """Return the CIE lightness of a color, from 0 (black) to 100 (white), which is its grey."""
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16


def read_theme_colors(name: str) -> list[str]:
    """Return a color of the light and of the dark theme."""
    return re.findall(
        rf'\b{name}: "(#[0-9a-f]{{6}})"', (Path(settings.BASE_DIR) / "config/static/backoffice/charts.js").read_text()
    )


@pytest.mark.parametrize("other", ["before", "other"])
def test_the_two_colors_of_a_comparison_differ_in_grey(other: str) -> None:
    for first, second in zip(read_theme_colors("main"), read_theme_colors(other), strict=True):
        assert abs(compute_lightness(first) - compute_lightness(second)) > 5
    predicted = EXAMPLES["comparison"]["traces"][1]["marker"]
    assert predicted["pattern"] == {"shape": "/"}


def test_neighbours_of_a_stack_differ_in_grey_and_all_series_in_pattern() -> None:
    for first, second in pairwise(STACK_COLORS):
        assert abs(compute_lightness(first) - compute_lightness(second)) > 20
    assert len(set(zip(STACK_COLORS, STACK_PATTERNS, strict=True))) == len(STACK_COLORS)


def test_cells_with_colors_of_their_own_get_the_middle_of_their_color_step() -> None:
    trace = EXAMPLES["heatmap"]["traces"][0]
    assert trace["z"] == [[0.5, 1.5]]
    assert trace["colorscale"] == [
        [0, "#117d5c~cell"],
        [0.5, "#117d5c~cell"],
        [0.5, "#ea580c~cell"],
        [1, "#ea580c~cell"],
    ]
    assert (trace["zmin"], trace["zmax"]) == (0, 2)


def test_a_cell_on_a_phone_has_no_name_and_shows_it_under_the_pointer() -> None:
    spec = EXAMPLES["heatmap"]
    assert spec["traces"][0]["text"] == [["Champions<br>12<br>40%", "At risk<br>3<br>5%"]]
    assert spec["traces"][0]["hovertext"] == [["Champions: 12 · 40%", "At risk: 3 · 5%"]]
    assert [variant["traces"][0]["text"] for variant in spec["narrow"]] == [
        [["12<br>40%", "3<br>5%"]],
        [["Champions<br>12<br>40%", "At<br>risk<br>3<br>5%"]],
    ]


def test_the_cells_of_a_phone_have_no_text_that_would_be_cut_off() -> None:
    for columns, expected in ((3, "72.7%*"), (8, "")):
        row = [["72.7%*"] * columns]
        numbers = [str(number) for number in range(columns)]
        spec = build_heatmap(
            columns=numbers,
            rows=["1"],
            names=row,
            texts=row,
            links=row,
            values=[[0.7] * columns],
            hover_prefix="",
            **TITLES,
        )
        assert spec["narrow"][0]["traces"][0]["text"] == [[expected] * columns]
        assert spec["narrow"][1]["traces"][0]["text"] == [["72.7%*<br>72.7%*"] * columns]
        assert spec["table"]["rows"][0][1]["text"] == "72.7%*"


def test_an_interval_chart_draws_the_distance_to_each_end_and_none_without_an_interval() -> None:
    spec = EXAMPLES["interval"]
    error = spec["traces"][0]["error_x"]
    assert error["array"] == pytest.approx([0.1, 0])
    assert error["arrayminus"] == pytest.approx([0.1, 0])
    assert spec["narrow"][0]["traces"][0]["y"][0] == "Weighted<br>ensemble of<br>models"


def test_a_point_that_an_earlier_name_covers_keeps_its_name_under_the_pointer() -> None:
    spec = build_point_chart(
        x=[1, 1.1, 2], y=[1, 1, 0.1], labels=["a", "b", "c"], highlighted=[True, False, False], **TITLES
    )
    assert spec["traces"][0]["text"] == ["a", "", "c"]
    assert spec["traces"][0]["hovertext"] == ["a", "b", "c"]


def test_a_flow_has_the_color_of_its_target_and_leads_to_its_customers() -> None:
    link = EXAMPLES["sankey"]["traces"][0]["link"]
    assert (link["color"], link["customdata"], link["value"]) == (["#22a06b~flow"], ["/moved"], [7])


def test_a_history_without_marks_has_no_axis_for_them() -> None:
    times = ["2026-01-01", "2026-02-01"]
    for marks, has_axis in (([], False), (times, True)):
        spec = build_probability_history(
            times=times, percentages=[80, 60], name="Active", marks=marks, marks_name="Orders"
        )
        axes = {trace.get("yaxis", "y") for trace in spec["traces"]}
        assert ("yaxis2" in spec["layout"], "y2" in axes, "anchor" in spec["layout"]["xaxis"]) == (has_axis,) * 3


def test_a_radar_line_is_closed() -> None:
    trace = EXAMPLES["radar"]["traces"][0]
    assert trace["r"] == [10, 90, 10]
    assert trace["theta"] == ["orders", "revenue", "orders"]


def test_long_labels_of_a_radar_chart_break() -> None:
    chart = build_radar_chart(labels=["orders", "days since the last order"], series=[Series("1", [10, 90])])
    axis = chart["layout"]["polar"]["angularaxis"]
    assert axis["tickvals"] == ["orders", "days since the last order"]
    assert axis["ticktext"] == ["orders", "days since the<br>last order"]


def test_a_long_label_breaks_at_its_spaces() -> None:
    assert break_label("Customers without a history") == "Customers<br>without a<br>history"
    assert break_label("popularity") == "popularity"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([3], ["0", "1", "2", "3"]),
        ([0.3, 0.7], ["0", "0.2", "0.4", "0.6", "0.8"]),
        ([12_000, 34_000], ["0", "1万", "2万", "3万", "4万"]),
        ([-20, 30], ["-20", "-10", "0", "10", "20", "30"]),
        ([], ["0"]),
    ],
)
def test_a_value_axis_has_round_ticks_in_the_language_of_the_reader(values: list[float], texts: list[str]) -> None:
    with override("zh-hans"):
        assert build_value_axis("", values)["ticktext"] == texts


def test_ticks_of_a_line_are_at_its_points():
    weeks = [
        f"2026-{month:02}-{day:02}"
        for month, day in ((6, 1), (6, 8), (6, 15), (6, 29), (7, 6), (7, 13), (7, 20), (7, 27))
    ]
    assert build_line_chart(days=weeks, values=range(8), name="Rating")["layout"]["xaxis"]["dtick"] == 14 * 86_400_000
    days = [f"2026-06-{day:02}" for day in range(1, 15)]
    assert build_line_chart(days=days, values=range(14), name="Orders")["layout"]["xaxis"]["dtick"] == 3 * 86_400_000
