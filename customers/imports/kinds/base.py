"""Defines what a kind of import consists of: its fields, presets and permissions, and the function that imports a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.progress import Progress
from customers.imports.models import ImportRun

Text = str | Promise

PROFILES_FOLLOW = _("Profiles and predictions, until the next nightly refresh.")
LATER_CHANGES = _("Values that were changed again after the import.")


class ImportFileError(Exception):
    """The file as a whole cannot be imported; the message gives the reason and the fix."""


def replace_stored_name(text: str, *, path: Path, file_name: str) -> str:
    """Return an error text with the name that the user's file has, instead of the one under which it is stored."""
    return text.replace(str(path), file_name).replace(path.name, file_name)


class ImportCancelledError(Exception):
    """A user canceled the import."""


@dataclass(frozen=True)
class ImportField:
    """A field that a column can fill.

    Attributes:
        type: what its values look like; a key of ``value_types.VALUE_TYPES``.
        names: common names of its column besides its key and label, in lower case.
    """

    label: Text
    type: str = "text"
    is_required: bool = False
    description: Text = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportPreset:
    """The columns of one system's export.

    Attributes:
        columns: field → the possible names of its column, most likely first.
        joined_fields: fields that are filled from all of their columns: a later column fills the gaps of an earlier one.
        derived_fields: fields that the preset itself computes, with how it does so.
        read_columns: further columns that the preset reads by itself.
        identifying_columns: the system's files have at least one of these columns; other files are not taken for its export.
        keeps_other_columns: whether columns without a field become attributes, unless they are left out.
        missing_help: what to export instead of a file without the required columns.
    """

    key: str
    label: Text
    columns: Mapping[str, Sequence[str]]
    joined_fields: frozenset[str] = frozenset()
    derived_fields: Mapping[str, Text] = field(default_factory=dict)
    read_columns: Sequence[str] = ()
    identifying_columns: Sequence[str] = ()
    keeps_other_columns: bool = False
    missing_help: Text = ""


@dataclass(frozen=True)
class ImportTask:
    """A file to check or to import.

    Attributes:
        at: now.
    """

    run: ImportRun
    path: Path
    at: datetime
    dry_run: bool
    progress: Progress


@dataclass(frozen=True)
class ImportOutcome:
    """What an import changed, or would change.

    Attributes:
        counts: further counts, by their key in ``ImportKind.count_labels``.
        problems: the number of rows per problem.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    problems: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    error_file: Path | None = None


@dataclass(frozen=True)
class ImportKind:
    """A kind of data.

    Attributes:
        label: what is imported, such as Orders.
        updated_label: empty if the import changes nothing that exists.
        permissions: what a user needs to import; viewing needs ``imports.view_importrun``.
        fields: the fields that columns fill; empty if the file format names its fields itself.
        required_any: sets of fields of which one is required.
        options_form: the form of further options.
        main_table: the table whose rows count as new and updated; undo is refused if later data has changed them.
        count_labels: the labels of further counts.
        describes_people: whether the rows contain personal data.
        counts_changes: whether new and updated objects are counted in what the import recorded, because it writes in several transactions.
        undo_steps: undoes what is not recorded as changes of rows, in steps that can be repeated.
        undo_removes, undo_keeps: what an undo takes back, and what it leaves.
        get_reason: returns the text of a problem code; the code itself if it has none.
        explains_codes: whether that text replaces the reason in the error file, which is in English.
        import_file: imports a file, or checks it. Raises ImportFileError and ImportCancelledError.
    """

    key: str
    label: Text
    icon: str
    description: Text
    file_help: Text
    created_label: Text
    updated_label: Text
    unchanged_label: Text
    permissions: tuple[str, ...]
    import_file: Callable[[ImportTask], ImportOutcome]
    main_table: str
    fields: Mapping[str, ImportField] = field(default_factory=dict)
    required_any: tuple[tuple[str, ...], ...] = ()
    presets: Mapping[str, ImportPreset] = field(default_factory=dict)
    options_form: type[forms.Form] | None = None
    count_labels: Mapping[str, Text] = field(default_factory=dict)
    default_source: str = "shop"
    describes_people: bool = False
    counts_changes: bool = False
    undo_steps: Callable[[ImportRun, datetime, Progress], None] | None = None
    undo_removes: tuple[Text, ...] = ()
    undo_keeps: tuple[Text, ...] = ()
    get_reason: Callable[[str], Text] = str
    explains_codes: bool = False

    @property
    def undoes_in_steps(self) -> bool:
        """Whether an undo works whatever came later; otherwise later data can prevent it."""
        return self.undo_steps is not None

    def keeps_other_columns(self, preset: str) -> bool:
        return preset in self.presets and self.presets[preset].keeps_other_columns

    def find_missing_fields(self, mapping: Mapping[str, Any], preset: str) -> list[Text]:
        """Return the labels of the required fields without a column."""
        return [self.fields[name].label for name in self.list_missing_fields(mapping, preset)]

    def list_missing_fields(self, mapping: Mapping[str, Any], preset: str) -> list[str]:
        """Return the required fields without a column; of fields of which one is required, the first."""
        derived = self.presets[preset].derived_fields if preset in self.presets else {}
        has = {name for name, columns in mapping.items() if columns} | set(derived)
        missing = [name for name, spec in self.fields.items() if spec.is_required and name not in has]
        return missing + [names[0] for names in self.required_any if has.isdisjoint(names)]
