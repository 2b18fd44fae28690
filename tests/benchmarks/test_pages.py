"""The weight of a page in benchmarks.pages."""

from benchmarks.pages import weigh


def test_a_page_weighs_what_it_refers_to_and_plotly_only_with_a_chart() -> None:
    script = '<script src="/static/backoffice/charts.js" data-plotly="/static/plotly/plotly.min.js" defer></script>'
    without_chart = weigh(script)
    assert 1 < without_chart < 10
    assert weigh(f'{script}<div data-chart="x"></div>') > 1000


def test_fonts_of_style_sheets_count() -> None:
    html = '<link href="/static/unfold/fonts/material-symbols/styles.css" rel="stylesheet">'
    assert 250 < weigh(html) < 350
