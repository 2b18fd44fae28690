"""Defines what a preset for a customer export contains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise


@dataclass(frozen=True)
class CustomerPreset:
    """The column names of one shop system's export of customers.

    Attributes:
        columns: field → the possible names of its column, most likely first.
        joined_fields: fields that are filled from all of their columns: a later column fills the gaps of an earlier one.
        keeps_other_columns: whether columns without a field become traits.
        skips_rows_without: a field without which a row continues the row before, as with further addresses.
    """

    key: str
    label: str | Promise
    columns: Mapping[str, Sequence[str]]
    joined_fields: frozenset[str] = frozenset()
    keeps_other_columns: bool = False
    skips_rows_without: str = ""
