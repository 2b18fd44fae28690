"""Turns the result of an import into an outcome, and its errors into one error of the file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalog.feeds.feed_file import FeedError
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.job_runs import FileImport
from customers.events.imports.file_import import UnreadableEventFileError, UrlMappingError
from customers.imports.kinds.base import ImportFileError, ImportOutcome, ImportTask, replace_stored_name
from customers.orders.imports.file_import import ColumnMappingError, ImportOptionError, UnreadableOrderFileError

FILE_ERRORS = (
    FeedError,
    UnreadableOrderFileError,
    ColumnMappingError,
    ImportOptionError,
    UnreadableEventFileError,
    UrlMappingError,
    AlreadyRunningError,
    OSError,
)


@contextmanager
def translate_file_errors(task: ImportTask, record: FileImport | None = None) -> Iterator[None]:
    """Raise ImportFileError for a file or options that cannot be imported.

    It and the record of the import name the file as the user did.
    """

    def replace_name(text: str) -> str:
        return replace_stored_name(text, path=task.path, file_name=task.run.file_name)

    try:
        yield
    except FILE_ERRORS as error:
        if record is not None and record.error:
            record.error = replace_name(record.error)
            record.save(update_fields=["error"])
        raise ImportFileError(replace_name(str(error))) from error


def build_outcome(result: Any, *, counts: Mapping[str, int] | None = None, **fields: Any) -> ImportOutcome:
    """Return the outcome of the result of an import, which has the same fields.

    Args:
        counts: further counts; those of 0 are left out.
        fields: the fields that the result has under another name.
    """
    names = ("rows", "created", "updated", "unchanged", "rejected", "error_file")
    values = {name: fields[name] if name in fields else getattr(result, name) for name in names}
    error_file = values.pop("error_file")
    return ImportOutcome(
        **values,
        problems=dict(Counter(result.problems).most_common()),
        counts={name: number for name, number in (counts or {}).items() if number},
        error_file=Path(error_file) if error_file else None,
    )
