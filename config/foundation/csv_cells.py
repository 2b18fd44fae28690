"""CSV that spreadsheets display and never run as formulas (OWASP, CSV injection)."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")
PLAIN_NUMBER = re.compile(r"[+-]?[\d.,]+")


def escape_text(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula; signed numbers stay unchanged."""
    if text.startswith(FORMULA_PREFIXES) and not PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def escape_cell(value: Any) -> Any:
    """Return a value for a CSV cell: None is empty, moments are ISO 8601, texts are escaped."""
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    # No exception for numbers as in escape_text: here numbers have their own type, so a text such as "+49123" is not a number.
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


def format_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as the lines of a CSV file."""
    lines = io.StringIO()
    csv.writer(lines).writerows([escape_cell(value) for value in row] for row in rows)
    return lines.getvalue()
