"""The components of pages, rendered by themselves."""

from datetime import UTC, date, datetime

import pytest
from django.template import engines
from django.test import RequestFactory
from django.utils.timezone import localdate
from django.utils.translation import override
from django_cotton.compiler_regex import CottonCompiler

from config.foundation.backoffice.date_range import parse_date_choice
from config.foundation.backoffice.pages import is_partial_request
from config.foundation.backoffice.tables import Column, build_table


def render(source: str, **context: object) -> str:
    template = engines["django"].from_string(CottonCompiler().process(source))
    return template.render(dict(context), RequestFactory().get("/"))


def test_a_card_has_a_heading_a_time_and_its_content() -> None:
    html = render(
        '<c-card title="Sales" :at="at"><p>{{ text }}</p></c-card>', at=datetime(2026, 11, 27, tzinfo=UTC), text="<b>"
    )
    assert "<h2>Sales</h2>" in html
    assert 'datetime="2026-11-27T00:00:00+00:00"' in html
    assert "<p>&lt;b&gt;</p>" in html


@pytest.mark.parametrize(("good", "direction"), [("up", "down"), ("down", "up"), ("neutral", "same")])
def test_a_figure_colors_its_change_by_what_is_good(good: str, direction: str) -> None:
    html = render(
        '<c-figure label="Churn" value="5%" :change="change" good="{{ good }}" before="6%" />', change=-0.1, good=good
    )
    assert f'<span class="home-change {direction}">−10.0%</span>' in html
    assert "previous: 6%" in html


def test_a_figure_without_a_change_shows_none_and_escapes_its_label() -> None:
    html = render('<c-figure label="{{ label }}" value="5" />', label='<script>"')
    assert "home-change" not in html
    assert "&lt;script&gt;&quot;" in html
    assert "<script>" not in html


def test_a_table_is_sorted_by_links_and_has_an_empty_state() -> None:
    columns = [Column(key="n", label="Number", sort="n")]
    request = RequestFactory().get("/?t_sort=n")
    table = build_table(request, [{"n": 2}, {"n": 1}], id="t", label="Numbers", columns=columns, format_row=dict)
    html = render('<c-table :table="table" />', table=table)
    assert 'aria-sort="ascending"' in html
    assert html.index('<th scope="row">1</th>') < html.index('<th scope="row">2</th>')
    empty = build_table(request, [], id="t", label="Numbers", columns=columns, format_row=dict)
    assert "Nothing yet" in render('<c-table :table="table">Nothing yet</c-table>', table=empty)
    assert "No rows." in render('<c-table :table="table" />', table=empty)


def test_the_date_range_picker_selects_the_choice_and_shows_both_ranges() -> None:
    choice = parse_date_choice({"range": "7d"}, today=date(2026, 11, 27))
    html = render('<c-dates :choice="choice" />', choice=choice)
    assert '<option value="7d" selected>' in html
    assert "Nov 20, 2026 – Nov 26, 2026 · compared with Nov 13, 2026 – Nov 19, 2026" in html
    assert 'name="since" value="2026-11-20" disabled' in html


@pytest.mark.parametrize("includes_today", [True, False])
def test_the_date_range_picker_says_that_the_range_includes_today(includes_today: bool) -> None:
    choice = parse_date_choice({"range": "7d"}, today=localdate(), includes_today=includes_today)
    html = render('<c-dates :choice="choice" />', choice=choice)
    assert (", including today" in html) is includes_today
    assert (", without today" in html) is not includes_today


@pytest.mark.parametrize(("language", "text"), [("en", "One. Two."), ("zh-hans", "One.Two.")])
def test_sentences_are_separated_as_in_the_language_of_the_reader(language: str, text: str) -> None:
    with override(language):
        assert render("{% load backoffice %}One.{% sentence_space %}Two.") == text


def test_wrong_dates_are_shown_as_errors() -> None:
    choice = parse_date_choice({"range": "<x>"}, today=date(2026, 11, 27))
    html = render('<c-dates :choice="choice" />', choice=choice)
    assert "Unknown date range “&lt;x&gt;”" in html


@pytest.mark.parametrize(
    ("headers", "partial"),
    [
        ({}, False),
        ({"HX-Request": "true"}, True),
        ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, False),
    ],
)
def test_htmx_gets_a_part_unless_it_restores_its_history(headers: dict[str, str], partial: bool) -> None:
    assert is_partial_request(RequestFactory().get("/", headers=headers)) is partial
