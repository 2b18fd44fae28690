"""Matches the columns of a file that a command imports, by the same names as the wizard."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation import gettext as _

from customers.imports.kinds.base import ImportField, ImportFileError, ImportKind
from customers.imports.matching import (
    ColumnMatch,
    match_by_content,
    match_by_name,
    match_by_preset,
    normalize_column,
)
from customers.imports.samples import FileSample, is_feed, read_sample
from customers.orders.imports.column_mapping import looks_like_data, normalize_name


@dataclass(frozen=True)
class CommandColumns:
    """The columns of the file of a command.

    Attributes:
        mapping: field → its columns, as in ``--map`` and by the names that the wizard knows; the preset supplies the other fields.
        matched: field → column, for the columns that were matched by name.
        problem: the error text if required fields have no column, which names all of them; otherwise empty.
    """

    mapping: Mapping[str, Sequence[str]]
    matched: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def describe_matches(self) -> str:
        """Return a line that says which columns were matched by name; empty without any."""
        if not self.matched:
            return ""
        pairs = ", ".join(f"{column} → {name}" for name, column in self.matched.items())
        return _("Columns matched by name: %(columns)s") % {"columns": pairs}


def match_command_columns(
    *, kind: ImportKind, path: Path, preset: str, chosen: Mapping[str, Sequence[str]], encoding: str | None = None
) -> CommandColumns:
    """Match the columns of a file by ``--map``, by the preset, and by the exact names that the wizard knows.

    Similar names and the content only make suggestions, because nobody reviews the columns of a command. Whatever is wrong with the
    file, the preset or ``--map`` itself is left to the import, which reports it.

    Args:
        chosen: field → its columns, as in ``--map``.
    """
    try:
        sample, has_rows_of_fields = read_sample(path, encoding=encoding or ""), is_feed(path)
    except (ImportFileError, OSError):
        return CommandColumns(chosen)
    if preset not in kind.presets or not chosen.keys() <= kind.fields.keys():
        return CommandColumns(chosen)
    by_name = {normalize_column(column.name): column.name for column in reversed(sample.columns)}
    match = ColumnMatch(preset)
    for name, columns in chosen.items():
        match.mapping[name] = [by_name.get(normalize_column(column), column) for column in columns]
    match_by_preset(match, kind.presets[preset], sample.columns)
    by_preset = {name for name in match.mapping if name not in chosen and is_known_to_import(name, match, kind)}
    match_by_name(match, kind.key, list_free_fields(kind, match), sample.columns, is_exact_only=True)
    matched = {name: columns for name, columns in match.mapping.items() if name not in by_preset and name not in chosen}
    has_unknown = not {column for columns in match.mapping.values() for column in columns} <= set(by_name.values())
    return CommandColumns(
        mapping={**chosen, **matched},
        matched={name: columns[0] for name, columns in matched.items()},
        # in JSON and XML each row has its own columns, and the rows that lack a value are rejected one by one
        problem="" if has_rows_of_fields or has_unknown else describe_missing_columns(kind, match, sample),
    )


def is_known_to_import(name: str, match: ColumnMatch, kind: ImportKind) -> bool:
    """Return whether the import itself finds the column that the preset supplied: it may compare punctuation."""
    candidates = kind.presets[match.preset].columns.get(name, ())
    return normalize_name(match.mapping[name][0]) in map(normalize_name, candidates)


def list_free_fields(kind: ImportKind, match: ColumnMatch) -> dict[str, ImportField]:
    derived = kind.presets[match.preset].derived_fields
    return {name: spec for name, spec in kind.fields.items() if name not in match.mapping and name not in derived}


def describe_missing_columns(kind: ImportKind, match: ColumnMatch, sample: FileSample) -> str:
    """Return the error text that names all required fields without a column, with the options that map them."""
    missing = kind.list_missing_fields(match.mapping, match.preset)
    if not missing:
        return ""
    columns = ", ".join(column.name for column in sample.columns)
    if not match.mapping and looks_like_data([column.name for column in sample.columns]):
        return _("The first line of the file must contain the column names; it contains: %(columns)s.") % {
            "columns": columns
        }
    text = _("Missing columns: %(missing)s. Columns in the file: %(columns)s. Add to the command: %(options)s") % {
        "missing": ", ".join(f"{name} ({kind.fields[name].label})" for name in missing),
        "columns": columns,
        "options": " ".join(suggest_options(kind, match, sample, missing)),
    }
    return " ".join(filter(None, (text, str(kind.presets[match.preset].missing_help))))


def suggest_options(kind: ImportKind, match: ColumnMatch, sample: FileSample, missing: Collection[str]) -> list[str]:
    """Return a ``--map`` option for each missing field, with a column of a similar name or content, or with COLUMN."""
    guess = ColumnMatch(match.preset, dict(match.mapping))
    match_by_name(guess, kind.key, {name: kind.fields[name] for name in missing}, sample.columns)
    match_by_content(guess, kind, sample.columns)
    return [f"--map {shlex.quote(f'{name}={guess.mapping.get(name, ["COLUMN"])[0]}')}" for name in missing]
