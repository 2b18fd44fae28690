"""Tables: sorting and pages of rows from the URL."""

from typing import Any

import pytest
from django.test import RequestFactory

from config.foundation.backoffice.tables import Cell, Column, Table, build_table

ROWS = [{"name": "b", "orders": 2}, {"name": "a", "orders": None}, {"name": "c", "orders": 1}]
COLUMNS = [Column(key="name", label="Name", align="text"), Column(key="orders", label="Orders", sort="orders")]


def build(query: str = "", **options: Any) -> Table:
    request = RequestFactory().get(f"/page/?{query}")
    return build_table(
        request,
        ROWS,
        id="people",
        label="People",
        columns=COLUMNS,
        format_row=lambda row: {"name": Cell(row["name"], url="/x/"), "orders": row["orders"]},
        **options,
    )


def read_names(table: Table) -> list[str]:
    return [row[0].text for row in table.rows]


@pytest.mark.parametrize(
    ("query", "names", "marked"),
    [
        ("", ["b", "a", "c"], ""),
        ("people_sort=orders", ["c", "b", "a"], "ascending"),
        ("people_sort=-orders", ["b", "c", "a"], "descending"),
        ("people_sort=password", ["b", "a", "c"], ""),
        ("other_sort=orders", ["b", "a", "c"], ""),
    ],
)
def test_the_url_sorts_the_rows_and_rows_without_a_value_are_last(query: str, names: list[str], marked: str) -> None:
    table = build(query)
    assert read_names(table) == names
    assert table.columns[1].sorted == marked


def test_a_sorted_column_links_to_the_opposite_order_and_keeps_other_parameters() -> None:
    table = build("range=7d&people_sort=-orders&people_page=2")
    assert table.columns[1].sort_url == "?range=7d&people_sort=orders"
    assert table.columns[0].sort_url == ""


def test_rows_are_cut_into_pages_with_links() -> None:
    table = build("people_page=2", page_size=1)
    assert (read_names(table), table.page, table.pages, table.total) == (["a"], 2, 3, 3)
    assert (table.previous_url, table.next_url) == ("?people_page=1", "?people_page=3")
    assert build("people_page=99", page_size=1).page == 3
    assert build("people_page=x", page_size=1).page == 1


def test_missing_values_are_dashes_and_cells_have_the_alignment_of_their_column() -> None:
    row = build().rows[1]
    assert (row[0].align, row[1].text) == ("text", "–")
