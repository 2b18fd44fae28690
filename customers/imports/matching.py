"""Matches the columns of a file to fields: by what was chosen before, by a preset, by name, and by content."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import override

from customers.imports.kinds.base import ImportField, ImportKind, ImportPreset
from customers.imports.samples import FileSample, SampleColumn
from customers.imports.value_types import DISTINCT_TYPES, MIN_SHARE, looks_like

MIN_PRESET_COLUMNS = 3
MIN_SIMILARITY = 0.84
LANGUAGES = ("en", "zh-hans")
# special choices in a mapping and in the selects of the page: no field, and left out where columns become attributes by default
NO_FIELD, LEFT_OUT = "", "-"


@dataclass
class ColumnMatch:
    """The proposed mapping.

    Attributes:
        mapping: field → its columns, the first one being the field's own.
        reasons: column → why it was matched.
    """

    preset: str
    mapping: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> set[str]:
        return set(invert_mapping(self.mapping))

    def add(self, name: str, columns: Sequence[str], reason: str) -> None:
        self.mapping[name] = list(columns)
        self.reasons.setdefault(columns[0], reason)


@dataclass(frozen=True)
class RememberedColumns:
    """The columns and the mapping of an earlier file."""

    columns: Sequence[str]
    mapping: Mapping[str, Sequence[str]]


def match_columns(
    *, kind: ImportKind, sample: FileSample, preset: str = "", remembered: RememberedColumns | None = None
) -> ColumnMatch:
    """Propose a mapping of the columns of a file.

    Args:
        preset: the preset to use; the one with the most columns by default.
        remembered: what was chosen for the last file of this source.
    """
    names = [column.name for column in sample.columns]
    match = ColumnMatch(preset if preset in kind.presets else detect_preset(kind, names))
    unmatched: set[str] = set()
    if remembered is not None:
        for name, earlier in remembered.mapping.items():
            present = [column for column in earlier if column in names]
            if name == LEFT_OUT and present:
                match.mapping[LEFT_OUT] = present
            elif name in kind.fields and present and present[0] == earlier[0]:
                match.add(name, present, _("as in the last file"))
        unmatched = set(remembered.columns) - {column for own in match.mapping.values() for column in own}
    columns = [column for column in sample.columns if column.name not in unmatched]
    derived: set[str] = set()
    if match.preset in kind.presets:
        match_by_preset(match, kind.presets[match.preset], columns)
        derived = set(kind.presets[match.preset].derived_fields)
    free = {name: spec for name, spec in kind.fields.items() if name not in match.mapping and name not in derived}
    match_by_name(match, kind.key, free, columns)
    match_by_content(match, kind, columns)
    return match


def detect_preset(kind: ImportKind, columns: Sequence[str]) -> str:
    """Return the preset that knows the most columns of the file; empty if none knows enough."""
    names = {normalize_column(column) for column in columns}
    scores = {
        preset.key: sum(
            any(normalize_column(candidate) in names for candidate in candidates)
            for candidates in preset.columns.values()
        )
        for preset in kind.presets.values()
        if not preset.identifying_columns or not names.isdisjoint(map(normalize_column, preset.identifying_columns))
    }
    best = max(scores, key=lambda key: scores[key], default="")
    return best if best and scores[best] >= MIN_PRESET_COLUMNS else next(iter(kind.presets), "")


def match_by_preset(match: ColumnMatch, preset: ImportPreset, columns: Sequence[SampleColumn]) -> None:
    by_name = {normalize_column(column.name): column.name for column in reversed(columns)}
    for name, candidates in preset.columns.items():
        known = list(dict.fromkeys(by_name[key] for key in map(normalize_column, candidates) if key in by_name))
        free = [column for column in known if column not in match.used]
        if name in match.mapping or not free:
            continue
        rest = known[known.index(free[0]) + 1 :] if name in preset.joined_fields else []
        match.add(name, [free[0], *rest], str(preset.label))


def match_by_name(
    match: ColumnMatch,
    kind: str,
    fields: Mapping[str, ImportField],
    columns: Sequence[SampleColumn],
    *,
    is_exact_only: bool = False,
) -> None:
    """Match columns whose name is that of a field, then, unless ``is_exact_only``, a similar one; the content must fit."""
    candidates = {name: list_names(kind, name, spec) for name, spec in fields.items()}
    for is_exact in (True,) if is_exact_only else (True, False):
        for column in columns:
            if column.name in match.used:
                continue
            key = normalize_column(column.name)
            free = {name: names for name, names in candidates.items() if name not in match.mapping}
            best = max(free, key=lambda name: compare_names(key, free[name]), default="")
            if not best or compare_names(key, free[best]) < (1 if is_exact else MIN_SIMILARITY):
                continue
            # for an exact name, one value that fits is enough: the file may be broken
            if looks_like(fields[best].type, column.values, min_share=0 if is_exact else MIN_SHARE):
                match.add(best, [column.name], _("by name"))


def match_by_content(match: ColumnMatch, kind: ImportKind, columns: Sequence[SampleColumn]) -> None:
    """Match the only column that looks like a required field without a column, or like email addresses in a file of no known system."""
    is_own = match.preset == next(iter(kind.presets), "")
    needed = {
        name for names in kind.required_any for name in names if not any(other in match.mapping for other in names)
    }
    for name, spec in kind.fields.items():
        if name in match.mapping or spec.type not in DISTINCT_TYPES:
            continue
        if not (spec.is_required or name in needed or (spec.type == "email" and is_own)):
            continue
        likely = [
            column.name
            for column in columns
            if column.name not in match.used
            and any(map(str.strip, column.values))
            and looks_like(spec.type, column.values)
        ]
        if len(likely) == 1:
            match.add(name, likely, _("by content"))


@cache
def load_column_names() -> dict[str, dict[str, list[str]]]:
    """Return the common names of columns in further languages: kind of import → field → names."""
    names: dict[str, dict[str, list[str]]] = {}
    for file in (files(__package__) / "column_names").iterdir():
        if file.name.endswith(".toml"):
            for kind, fields in tomllib.loads(file.read_text(encoding="utf-8")).items():
                for name, own in fields.items():
                    names.setdefault(kind, {}).setdefault(name, []).extend(own)
    return names


def list_names(kind: str, key: str, spec: ImportField) -> set[str]:
    """Return the normalized names of a field: its key, its label in every language, and its common names."""
    labels = []
    for language in LANGUAGES:
        with override(language):
            labels.append(str(spec.label))
    return {
        normalize_column(name) for name in (key, *labels, *spec.names, *load_column_names().get(kind, {}).get(key, ()))
    }


def compare_names(key: str, names: Iterable[str]) -> float:
    return max((1.0 if key == name else SequenceMatcher(None, key, name).ratio() for name in names), default=0.0)


def normalize_column(name: str) -> str:
    """Return a name without case, accents of spelling and punctuation: ``Order-ID`` and ``order_id`` are the same."""
    return re.sub(r"[\W_]+", " ", name.casefold()).strip()


def read_choices(
    *,
    kind: ImportKind,
    preset: str,
    columns: Sequence[str],
    choices: Mapping[str, str],
    previous: Mapping[str, Sequence[str]],
) -> dict[str, list[str]]:
    """Return the mapping that a user chose: ``choices`` has the field of each column.

    The further columns of a field, which fill the gaps of the first one, stay if the first one stays.
    """
    mapping: dict[str, list[str]] = {}
    for column in columns:
        name = choices.get(column, NO_FIELD)
        if name in kind.fields or (name == LEFT_OUT and kind.keeps_other_columns(preset)):
            mapping.setdefault(name, []).append(column)
    for name, chosen in mapping.items():
        known = list(previous.get(name, ()))
        if known and len(known) > 1 and known[0] == chosen[0]:
            chosen.extend(column for column in known[1:] if column not in chosen)
    return mapping


def invert_mapping(mapping: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return column → field, for the first column of each field."""
    fields = {columns[0]: name for name, columns in mapping.items() if columns}
    return dict.fromkeys(mapping.get(LEFT_OUT, ()), LEFT_OUT) | fields


def describe_fallbacks(mapping: Mapping[str, Sequence[str]], kind: ImportKind) -> dict[str, list[tuple[Any, str]]]:
    """Return, for each further column of a field, the field's label and the column whose gaps it fills."""
    found: dict[str, list[tuple[str | Promise, str]]] = {}
    for name, columns in mapping.items():
        for column in columns[1:]:
            if name in kind.fields:
                found.setdefault(column, []).append((kind.fields[name].label, columns[0]))
    return found
