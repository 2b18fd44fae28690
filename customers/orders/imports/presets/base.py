"""Defines what a column preset contains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.functional import Promise

US_DATE_FORMATS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")


@dataclass(frozen=True)
class ColumnPreset:
    """The column names of one shop system's order export.

    Attributes:
        key: the name of the preset on the command line.
        label: the name of the preset in the back office.
        columns: field → the possible names of its column, most likely first.
        joined_fields: fields that are filled from all of their columns: a later column fills the gaps of an earlier one.
        date_formats: ``strptime`` formats, tried before ISO 8601.
        guest_ids: customer IDs that mean "guest".
        part_columns: columns with a value in rows that are only parts of another item of the order; these rows are left out.
        statuses: word of the shop system → our status, for words that mean something else elsewhere.
        missing_help: what to export instead of a file without the required columns.
    """

    key: str
    label: str | Promise
    columns: Mapping[str, Sequence[str]]
    joined_fields: frozenset[str] = frozenset()
    date_formats: Sequence[str] = ()
    guest_ids: frozenset[str] = frozenset()
    part_columns: Sequence[str] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)
    missing_help: str | Promise = ""
