"""JSON Lines: one object on each line."""

import json
from collections.abc import Iterator
from typing import TextIO

from django.utils.translation import gettext as _

from catalog.bulk_results import Problem
from catalog.feeds.feed_file import bounded_lines
from catalog.feeds.row_mapping import Row, normalise_name
from catalog.field_cleaning import refuse_constant, show


def read_json_lines(stream: TextIO) -> Iterator[Row]:
    for number, text in enumerate(bounded_lines(stream), start=1):
        text = text.strip("\ufeff \t\r\n")
        if text:
            yield read_line(number, text)


def read_line(number: int, text: str) -> Row:
    try:
        found = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        message = _("Is not JSON: %(reason)s") % {"reason": error}
        return Row(number, problem=Problem("row", "unreadable", message, show(text)))
    if not isinstance(found, dict):
        message = _("Is not a JSON object; give one product such as {“product_id”: …, “title”: …}.")
        return Row(number, problem=Problem("row", "unreadable", message, show(text)))
    return Row(number, {normalise_name(name): value for name, value in found.items()})
