"""Finds the column of a file that holds each field of an order line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from django.utils.translation import gettext as _

from config.foundation.number_formats import get_sentence_space
from customers.orders.imports.order_fields import FIELDS, PRICE_FIELDS, REQUIRED_FIELDS
from customers.orders.imports.presets.base import ColumnPreset
from customers.orders.imports.presets.registry import DEFAULT_PRESET, PRESETS


class ColumnMappingError(Exception):
    """The columns of the file do not match the requested fields."""


@dataclass(frozen=True)
class ColumnMapping:
    """The columns of one file.

    Attributes:
        columns: field → its columns; the first column with a value counts.
        date_formats: ``strptime`` formats, tried before ISO 8601.
        guest_ids: customer IDs that mean "guest".
        part_columns: columns that have a value in rows to leave out, see ``ColumnPreset``.
        statuses: word of the shop system → our status.
    """

    columns: Mapping[str, tuple[str, ...]]
    date_formats: tuple[str, ...] = ()
    guest_ids: frozenset[str] = frozenset()
    part_columns: tuple[str, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)

    def has(self, *fields: str) -> bool:
        """Return whether the file has a column for any of the fields."""
        return any(name in self.columns for name in fields)

    def list_columns(self) -> list[str]:
        """List the columns in use, each once."""
        used = (column for columns in self.columns.values() for column in columns)
        return list(dict.fromkeys((*used, *self.part_columns)))


def resolve_mapping(
    *,
    columns: Sequence[str],
    preset: str = DEFAULT_PRESET,
    mapping: Mapping[str, str | Sequence[str]] | None = None,
    is_complete: bool = False,
    date_formats: Sequence[str] = (),
) -> ColumnMapping:
    """Match the columns of a file to fields; ``mapping`` takes precedence over the preset.

    Args:
        mapping: field → its column, or its columns, of which the first one with a value counts.
        is_complete: fields that are not in ``mapping`` have no column, even if the preset knows one.

    Raises:
        ColumnMappingError: an unknown preset, field or column, one column for two fields, or a required field without a column.
    """
    if preset not in PRESETS:
        raise ColumnMappingError(
            _("Unknown preset %(preset)s; valid: %(known)s.") % {"preset": repr(preset), "known": ", ".join(PRESETS)}
        )
    column_preset = PRESETS[preset]
    resolved = check_explicit_mapping(mapping or {}, columns)
    explicit_columns = {column for assigned in resolved.values() for column in assigned}
    # reversed: of several columns whose names differ only in case, the first one counts
    by_name = {normalize_name(column): column for column in reversed(columns) if column not in explicit_columns}
    for name, candidates in ({} if is_complete else column_preset.columns).items():
        matches = [by_name[key] for key in map(normalize_name, candidates) if key in by_name]
        if name not in resolved and matches:
            resolved[name] = tuple(dict.fromkeys(matches if name in column_preset.joined_fields else matches[:1]))
    check_required_fields(resolved, columns, column_preset)
    return ColumnMapping(
        columns={name: resolved[name] for name in FIELDS if name in resolved},
        date_formats=(*date_formats, *column_preset.date_formats),
        guest_ids=column_preset.guest_ids,
        part_columns=tuple(
            column for column in columns if normalize_name(column) in map(normalize_name, column_preset.part_columns)
        ),
        statuses=column_preset.statuses,
    )


def check_explicit_mapping(
    mapping: Mapping[str, str | Sequence[str]], columns: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the user's mapping as field → columns.

    Raise ColumnMappingError for an unknown field or column, or a column that is the first one of two fields.
    """
    resolved: dict[str, tuple[str, ...]] = {}
    field_of_column: dict[str, str] = {}
    for name, assigned in mapping.items():
        column, *others = [assigned] if isinstance(assigned, str) else assigned
        if name not in FIELDS:
            raise ColumnMappingError(
                _("Unknown field %(name)s.%(nearest)s Valid fields: %(fields)s.")
                % {"name": repr(name), "nearest": suggest(name, list(FIELDS)), "fields": ", ".join(FIELDS)}
            )
        if unknown := next((each for each in (column, *others) if each not in columns), None):
            raise ColumnMappingError(
                _("The file has no column %(column)s for %(name)s.%(nearest)s Columns in the file: %(columns)s.")
                % {
                    "column": repr(unknown),
                    "name": name,
                    "nearest": suggest(unknown, columns),
                    "columns": ", ".join(columns),
                }
            )
        if column in field_of_column:
            raise ColumnMappingError(
                _("The column %(column)s is mapped to both %(first)s and %(second)s; give each field its own column.")
                % {"column": repr(column), "first": field_of_column[column], "second": name}
            )
        field_of_column[column] = name
        resolved[name] = (column, *others)
    return resolved


def check_required_fields(
    resolved: Mapping[str, tuple[str, ...]], columns: Sequence[str], preset: ColumnPreset
) -> None:
    """Raise ColumnMappingError if a required field has no column."""
    missing = [name for name in REQUIRED_FIELDS if name not in resolved]
    if not any(name in resolved for name in PRICE_FIELDS):
        missing.append("unit_price")
    if not missing:
        return
    if not resolved and looks_like_data(columns):
        raise ColumnMappingError(
            _("The first line of the file must contain the column names; it contains: %(columns)s.")
            % {"columns": ", ".join(columns)}
        )
    descriptions = [
        f"{name} ({FIELDS[name]}){suggest_any([*preset.columns.get(name, ()), name], columns)}" for name in missing
    ]
    raise ColumnMappingError(
        " ".join(
            filter(
                None,
                (
                    _("Missing columns: %(missing)s. Columns in the file: %(columns)s. Map a field with field=column.")
                    % {"missing": "; ".join(descriptions), "columns": ", ".join(columns)},
                    str(preset.missing_help),
                ),
            )
        )
    )


def looks_like_data(columns: Sequence[str]) -> bool:
    """Return whether any "column name" is a number or a date: then the file may have no header."""
    return any(
        column.replace(".", "").replace("-", "").replace(":", "").replace(" ", "").isdigit() for column in columns
    )


def normalize_name(name: str) -> str:
    """Return a name that ignores case and the difference between spaces and underscores."""
    return name.strip().lower().replace(" ", "_")


def suggest(name: str, known: Sequence[str]) -> str:
    """Return "Did you mean …?" for the most similar known name, or an empty text."""
    by_name = {normalize_name(column): column for column in known}
    nearest = get_close_matches(normalize_name(name), list(by_name), n=1, cutoff=0.5)
    return (
        get_sentence_space() + _("Did you mean %(nearest)s?") % {"nearest": repr(by_name[nearest[0]])}
        if nearest
        else ""
    )


def suggest_any(names: Sequence[str], columns: Sequence[str]) -> str:
    """Return the suggestion for the first of the names that has one."""
    return next((text for name in names if (text := suggest(name, columns))), "")
