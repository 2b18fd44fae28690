"""JSON Lines: one object per line."""

from collections.abc import Iterator
from typing import TextIO

from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem
from catalog.feeds.feed_file import iterate_bounded_lines
from catalog.feeds.row_mapping import FeedRow, normalize_name
from catalog.field_cleaning import reject_json_constant, shorten_value
from config.foundation.json_nesting import load_json


def read_json_lines(stream: TextIO) -> Iterator[FeedRow]:
    """Yield the rows of a file; empty lines are skipped."""
    for number, text in enumerate(iterate_bounded_lines(stream), start=1):
        text = text.strip("\ufeff \t\r\n")
        if text:
            yield parse_line(number, text)


def parse_line(number: int, text: str) -> FeedRow:
    try:
        value = load_json(text, parse_constant=reject_json_constant)
    except ValueError as error:
        message = _("The line is not valid JSON: %(reason)s") % {"reason": error}
        return FeedRow(number, problem=FieldProblem("row", "unreadable", message, shorten_value(text)))
    if not isinstance(value, dict):
        message = _("The line is not a JSON object; write one product per line, such as {“product_id”: …, “title”: …}.")
        return FeedRow(number, problem=FieldProblem("row", "unreadable", message, shorten_value(text)))
    return FeedRow(number, {normalize_name(name): item for name, item in value.items()})
