"""What a preset of a product export is, and how its rows become rows of product fields."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from django.utils.functional import Promise

from catalog.feeds.column_translations import Translations
from catalog.feeds.row_mapping import FIELD_NAMES, SALE_NAMES, FeedRow, normalize_name
from catalog.field_cleaning import is_empty

# Names of values that a preset computes begin with this sign, which no column name of a file begins with after normalization.
DERIVED = "="
FIELDS = (*FIELD_NAMES, *sorted(SALE_NAMES))
SKIP = "-"
BLOCK_ENDS = ("br", "/p", "/li", "/div", "/h1", "/h2", "/h3", "/h4", "/h5", "/h6", "/tr")
HIDDEN_ELEMENTS = ("script", "style")
TAG_NAME = re.compile(r"/?\w*")

Rows = Iterable[FeedRow]


def keep_rows(rows: Rows, context: Any) -> Iterator[FeedRow]:
    yield from rows


def collect_nothing(rows: Rows) -> None:
    """Read all rows, which shows whether the file can be read."""
    for _row in rows:
        pass


@dataclass(frozen=True)
class FeedPreset:
    """The product export of one shop system.

    Attributes:
        columns: product field → the possible names of its column, most likely first.
        joined_fields: fields that are filled from all of their columns: a later column fills the gaps of an earlier one.
        collect: reads the whole file once and returns what ``complete`` needs to know about other rows.
        complete: turns the rows of the export into one row per product that can be bought. The name of a computed value is ``DERIVED``
            followed by the field.
        derived_fields: the fields that ``complete`` computes, each with an explanation for the user.
        read_columns: further columns that ``complete`` reads.
        identifying_columns: the system's files have at least one of these columns; other files are not taken for its export.
        keeps_other_columns: whether columns without a field become attributes.
        translations: the column names in the other languages that the system can export.
    """

    key: str
    label: str | Promise
    columns: Mapping[str, Sequence[str]]
    joined_fields: frozenset[str] = frozenset()
    collect: Callable[[Rows], Any] = collect_nothing
    complete: Callable[[Rows, Any], Iterator[FeedRow]] = keep_rows
    derived_fields: Mapping[str, str | Promise] = field(default_factory=dict)
    read_columns: Sequence[str] = ()
    identifying_columns: Sequence[str] = ()
    keeps_other_columns: bool = False
    translations: Translations = field(default_factory=dict)


def resolve_columns(preset: FeedPreset, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the file's columns for each field of the preset; column names are normalized."""
    known = set(columns)
    resolved: dict[str, list[str]] = {}
    for name, candidates in preset.columns.items():
        matches = [column for column in dict.fromkeys(map(normalize_name, candidates)) if column in known]
        if matches:
            resolved[name] = matches if name in preset.joined_fields else matches[:1]
    return resolved


def map_row(
    row: FeedRow, preset: FeedPreset, mapping: Mapping[str, Sequence[str]], *, skipped: frozenset[str]
) -> FeedRow:
    """Return a row with product fields.

    A computed value replaces that of a column, unless a user mapped the field to a column that the preset does not use.

    Args:
        mapping: field → its columns with normalized names.
        skipped: columns that do not become attributes either.
    """
    if row.problem:
        return row
    fields: dict[str, Any] = {}
    for name, columns in mapping.items():
        present = [column for column in columns if column in row.fields]
        if present and all(column in FIELD_NAMES.get(name, ()) for column in present):
            fields |= {column: row.fields[column] for column in present}  # ``build_item`` knows what these names mean
        elif present:
            fields[name] = next((row.fields[column] for column in present if not is_empty(row.fields[column])), "")
    for name in FIELDS:
        own = mapping.get(name)
        is_custom = own and own[0] not in map(normalize_name, preset.columns.get(name, ()))
        if DERIVED + name in row.fields and not is_custom:
            fields[name] = row.fields[DERIVED + name]
    if preset.keeps_other_columns:
        used = {column for columns in mapping.values() for column in columns} | skipped
        fields |= {
            f"attributes.{name}": value
            for name, value in row.fields.items()
            if name not in used and not name.startswith(DERIVED)
        }
    return FeedRow(row.line, fields)


def strip_html(text: Any) -> str:
    """Return the text of HTML, with a line break after each block."""
    lines = [" ".join(line.split()) for line in unescape("".join(split_html(str(text or "")))).splitlines()]
    return "\n".join(line for line in lines if line)


def split_html(text: str) -> Iterator[str]:
    """Yield the text between tags, and a line break after each block, in time proportional to the length."""
    lowered, position = text.lower(), 0
    while (start := text.find("<", position)) >= 0 and (end := text.find(">", start)) >= 0:
        yield text[position:start]
        position = end + 1
        name = TAG_NAME.match(lowered, start + 1)
        tag = name[0] if name else ""
        if tag in BLOCK_ENDS:
            yield "\n"
        elif tag in HIDDEN_ELEMENTS:
            closing = lowered.find(f"</{tag}", position)
            if closing < 0:  # as browsers do, hide everything after an element that is not closed
                return
            position = closing
    yield text[position:]


def read_text(fields: Mapping[str, Any], name: str) -> str:
    """Return the value of a column without spaces around it; empty if the file lacks the column."""
    return str(fields.get(name) or "").strip()


def choose_deepest(paths: Iterable[str], separator: str) -> str:
    """Return the path with the most parts, written with `` > ``; the first of several."""
    parts = [[part.strip() for part in path.split(separator) if part.strip()] for path in paths]
    by_depth = sorted(parts, key=len, reverse=True)
    return " > ".join(by_depth[0]) if by_depth else ""
