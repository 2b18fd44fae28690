"""Charts without a script: their geometry and what the page shows."""

from django.template import engines
from django.test import RequestFactory
from django_cotton.compiler_regex import CottonCompiler

from config.foundation.charts.light import build_bar_list, build_columns


def render(source: str, **context: object) -> str:
    template = engines["django"].from_string(CottonCompiler().process(source))
    return template.render(dict(context), RequestFactory().get("/"))


def test_columns_fill_the_width_and_the_highest_value_the_height() -> None:
    chart = build_columns(
        label="Revenue", labels=["Mon", "Tue"], values=[5, 10], texts=["$5", "$10"], compared=[20, 0], top="$20"
    )
    assert [(bar.x, bar.width, bar.height, bar.y) for bar in chart.bars] == [
        (6.25, 37.5, 25.0, 75.0),
        (56.25, 37.5, 50.0, 50.0),
    ]
    assert chart.line == "25.000,0.000 75.000,100.000"


def test_columns_without_values_or_only_zeros_are_flat() -> None:
    assert build_columns(label="x", labels=[], values=[], texts=[]).bars == []
    assert build_columns(label="x", labels=["a"], values=[0], texts=["0"]).bars[0].height == 0


def test_unknown_values_have_no_column_and_no_point_of_the_line() -> None:
    chart = build_columns(
        label="x", labels=["a", "b"], values=[None, 10], texts=["–", "10"], compared=[None, 5], top="10"
    )
    assert [(bar.text, bar.height) for bar in chart.bars] == [("–", 0), ("10", 100)]
    assert chart.line == "75.000,50.000"


def test_the_axis_names_the_first_the_middle_and_the_last_column() -> None:
    labels = ["a", "b", "c", "d", "e"]
    assert build_columns(label="x", labels=labels, values=[1] * 5, texts=labels).axis == ["a", "c", "e"]


def test_columns_and_bars_are_links_with_names_for_screen_readers() -> None:
    columns = build_columns(label="Revenue", labels=["<Mon>"], values=[5], texts=["$5"], links=["/orders/"])
    html = render('<c-columns :chart="chart" />', chart=columns)
    assert '<a href="/orders/" aria-label="&lt;Mon&gt;: $5">' in html
    bars = build_bar_list(label="Stages", labels=["Loyal"], values=[3], texts=["3"], links=["/loyal/"])
    html = render('<c-bar-list :chart="chart" />', chart=bars)
    assert '<a href="/loyal/">Loyal</a>' in html
    assert '<caption class="sr-only">Stages</caption>' in html
