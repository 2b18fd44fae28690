"""Reads the rows of a feed of any format, completed by a preset and mapped to product fields."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from django.utils.translation import gettext as _

from catalog.feeds.column_translations import find_english_names
from catalog.feeds.delimited import read_delimited, require_column
from catalog.feeds.feed_file import FeedError
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.presets.base import FIELDS, map_row, resolve_columns
from catalog.feeds.presets.native import NATIVE
from catalog.feeds.presets.registry import PRESETS
from catalog.feeds.row_mapping import FIELD_NAMES, FeedRow, normalize_name
from catalog.models import FeedImport

ColumnCheck = Callable[[list[str]], None]
READERS: dict[str, Callable[[TextIO], Iterator[FeedRow]]] = {
    FeedImport.Format.JSONL: read_json_lines,
    FeedImport.Format.GOOGLE_XML: read_google_xml,
}


@dataclass
class PresetReader:
    """Reads the rows of one file, first to collect what rows need from other rows, then to yield them.

    Args: as in ``FeedOptions``.
    """

    format: str
    preset: str
    mapping: Mapping[str, Sequence[str]]
    is_complete: bool
    skipped: Sequence[str]
    context: Any = None
    columns: list[str] | None = field(default=None, init=False)
    english: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise FeedError(
                _("Unknown preset %(preset)s; valid: %(known)s.")
                % {"preset": repr(self.preset), "known": ", ".join(PRESETS)}
            )
        if unknown := sorted(set(self.mapping) - set(FIELDS)):
            raise FeedError(
                _("Unknown product fields: %(names)s; valid: %(known)s.")
                % {"names": ", ".join(unknown), "known": ", ".join(FIELDS)}
            )

    @property
    def is_mapped(self) -> bool:
        """Whether rows have to be mapped: the names of our own files are known already."""
        return self.preset != NATIVE.key or bool(self.mapping)

    def collect(self, stream: TextIO) -> int:
        """Read the whole file once; return the number of rows."""
        count = 0

        def count_rows() -> Iterator[FeedRow]:
            nonlocal count
            for row in self._read_file(stream):
                count += 1
                yield row

        self.context = PRESETS[self.preset].collect(count_rows())
        return count

    def read(self, stream: TextIO) -> Iterator[FeedRow]:
        """Yield one row per product, with product fields."""
        rows = PRESETS[self.preset].complete(self._read_file(stream), self.context)
        if not self.is_mapped:
            yield from rows
            return
        preset = PRESETS[self.preset]
        skipped = frozenset(map(self._normalize, self.skipped))
        resolved: dict[str, list[str]] | None = None
        for row in rows:
            if row.problem:
                yield row
                continue
            if resolved is None or self.columns is None:  # in JSON and XML, each row has its own columns
                resolved = self._resolve(self.columns or list(row.fields))
            yield map_row(row, preset, resolved, skipped=skipped)

    def _read_file(self, stream: TextIO) -> Iterator[FeedRow]:
        read = READERS.get(self.format)
        rows = read(stream) if read else read_delimited(stream, self._check_columns if self.is_mapped else None)
        for row in rows:
            yield FeedRow(row.line, self._translate(row.fields), row.problem) if self.english else row

    def _translate(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {self.english.get(name, name): value for name, value in fields.items()}

    def _normalize(self, column: str) -> str:
        """Return the name that the rows use for a column of the file."""
        name = normalize_name(column)
        return self.english.get(name, name)

    def _check_columns(self, columns: list[str]) -> None:
        """Remember the columns of the header. Raises FeedError if a required one is missing."""
        preset = PRESETS[self.preset]
        self.english = find_english_names(columns, preset.translations)
        columns = [self.english.get(name, name) for name in columns]
        self.columns = columns
        for name, chosen in self.mapping.items():
            for column in chosen:
                require_column(columns, name, [self._normalize(column)])
        resolved = self._resolve(columns)
        for name in ("product_id", "title"):
            if name not in resolved and name not in preset.derived_fields:
                candidates = preset.columns.get(name) or FIELD_NAMES[name]
                require_column(columns, name, list(map(normalize_name, candidates)))

    def _resolve(self, columns: list[str]) -> dict[str, list[str]]:
        chosen = {name: list(map(self._normalize, own)) for name, own in self.mapping.items()}
        if self.is_complete:
            return chosen
        used = {column for own in chosen.values() for column in own}
        known = resolve_columns(PRESETS[self.preset], [column for column in columns if column not in used])
        return known | chosen
