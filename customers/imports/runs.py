"""The steps of an import: upload, check, import, cancel, undo. Each can be repeated after its process was killed."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.db import Error, transaction
from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock, find_locked
from config.foundation.files.unpacked_size import is_larger_unpacked
from config.foundation.job_runs import describe_error
from config.foundation.progress import CACHE_SECONDS, PublishedProgress, read_published_progress
from config.foundation.retention.periods import get_retention_days
from config.foundation.uploads import UploadFolder
from customers.imports.kinds.base import (
    ImportCancelledError,
    ImportFileError,
    ImportKind,
    ImportOutcome,
    ImportTask,
    replace_stored_name,
)
from customers.imports.kinds.registry import KINDS
from customers.imports.matching import ColumnMatch, RememberedColumns, match_columns
from customers.imports.models import FEED_STATES, RUNNING_STATES, ImportRun, ImportState
from customers.imports.samples import FileSample, read_sample
from customers.imports.undo import (
    UndoBlockedError,
    UndoResult,
    count_changes,
    record_changes,
    undo_changes,
)

UPLOADS = UploadFolder("import-uploads", "import")
# folders of the upload pages that the wizard has replaced; the last files in them have to be deleted too
EARLIER_UPLOADS = (UploadFolder("uploads", "feed"), UploadFolder("order-uploads", "orders"))
SECONDS_BETWEEN_CHECKS = 0.5
SECONDS_IN_QUEUE = 3600  # after which a waiting run is queued once more, which does nothing if it has ended by then
MAX_UNPACKED_BYTES = 5 * 2**30  # ten times the largest upload


def get_kind(run: ImportRun) -> ImportKind:
    return KINDS[run.kind]


def get_path(run: ImportRun) -> Path:
    return UPLOADS.get_path(run)


def create_run(*, kind: ImportKind, file: UploadedFile, source: str, user: Any, at: datetime) -> ImportRun:
    """Store an uploaded file, and match its columns. Raises ImportFileError and OSError; then nothing is kept."""
    stored = UPLOADS.store_file(file)
    run = ImportRun(
        kind=kind.key,
        source=source,
        file_name=stored.original_name,
        upload=stored.stored_name,
        started_by=user,
        created_at=at,
        started_at=at,
    )
    try:
        check_unpacked_size(run)
        if kind.fields:
            propose_mapping(run, read_run_sample(run))
    except ImportFileError:
        get_path(run).unlink(missing_ok=True)
        raise
    run.save()
    return run


def read_run_sample(run: ImportRun, *, encoding: str = "") -> FileSample:
    """Read the columns and the first rows of a run's file. Raises ImportFileError."""
    try:
        return read_sample(get_path(run), encoding=encoding)
    except ImportFileError as error:
        raise ImportFileError(describe_file_error(run, error)) from error


def describe_file_error(run: ImportRun, error: Exception) -> str:
    """Return the text of an error, which names the file as the user did."""
    return replace_stored_name(str(error), path=get_path(run), file_name=run.file_name)


def check_unpacked_size(run: ImportRun) -> None:
    """Raise ImportFileError if an uploaded file is so large after decompression that reading it would take hours."""
    if is_larger_unpacked(get_path(run), MAX_UNPACKED_BYTES):
        raise ImportFileError(
            _(
                "%(file)s is larger than %(size)s after decompression. Split it, or use the import command on the server."
            )
            % {"file": run.file_name, "size": filesizeformat(MAX_UNPACKED_BYTES)}
        )


def propose_mapping(run: ImportRun, sample: FileSample, *, preset: str = "") -> ColumnMatch:
    """Set the columns of a run and the mapping that the last import of the same source and the file suggest."""
    kind = get_kind(run)
    match = match_columns(
        kind=kind, sample=sample, preset=preset, remembered=find_remembered(run) if not preset else None
    )
    run.columns = [column.name for column in sample.columns]
    run.preset, run.mapping = match.preset, match.mapping
    return match


def find_remembered(run: ImportRun) -> RememberedColumns | None:
    """Return the columns of the last import of the same kind and source that was checked."""
    last = (
        ImportRun.objects.filter(kind=run.kind, source=run.source, finished_at__isnull=False)
        .exclude(pk=run.pk)
        .exclude(state__in=(ImportState.UPLOADED, ImportState.FAILED))
        .order_by("-created_at", "-id")
        .first()
    )
    return None if last is None else RememberedColumns(last.columns, last.mapping)


def save_mapping(run: ImportRun, *, mapping: Mapping[str, list[str]], preset: str, options: Mapping[str, Any]) -> None:
    """Store what a user chose; the file has to be checked again."""
    run.mapping, run.preset, run.options = dict(mapping), preset, dict(options)
    run.state, run.error, run.record_id = ImportState.UPLOADED, "", None
    run.save()


def begin(run: ImportRun, state: ImportState, *, allowed: tuple[ImportState, ...]) -> bool:
    """Move a run to a running state, if it is in one of the allowed ones; return whether it was."""
    with transaction.atomic():
        locked = ImportRun.objects.select_for_update().get(pk=run.pk)
        if locked.state not in allowed:
            return False
        locked.state, locked.error, locked.finished_at = state, "", None
        if state == ImportState.IMPORTING:
            locked.record_id = None  # of the check
        locked.save(update_fields=["state", "error", "finished_at", "record_id"])
    cache.delete(get_cancel_key(run.pk))
    cache.delete(get_progress_key(run.pk))
    cache.delete(get_queued_key(run.pk))
    run.refresh_from_db()
    return True


def request_cancel(run: ImportRun) -> None:
    cache.set(get_cancel_key(run.pk), True, CACHE_SECONDS)


def is_being_cancelled(run: ImportRun) -> bool:
    return run.is_running and bool(cache.get(get_cancel_key(run.pk)))


def cancel_waiting(run: ImportRun, *, at: datetime) -> bool:
    """Cancel a run that no worker has begun; return whether it was canceled.

    The lock of the run keeps a worker from beginning in the meantime; it then finds a cancelled run. A run that was killed after it had written
    something is left to a worker, which removes that.
    """
    try:
        with hold_run(run.pk) as held:
            if held.state == ImportState.CHECKING:
                held.state = ImportState.UPLOADED
            elif held.state == ImportState.IMPORTING and not has_written(held):
                held.state, held.finished_at = ImportState.CANCELLED, at
            else:
                return False
            held.save(update_fields=["state", "finished_at"])
    except AlreadyRunningError:
        return False
    run.refresh_from_db()
    return True


def has_written(run: ImportRun) -> bool:
    """Return whether an attempt of an import has written anything that a cancellation must remove."""
    return run.record_id is not None or run.changes.exists() or run.event_batches.exists()


def get_cancel_key(pk: int) -> str:
    return f"import-cancel:{pk}"


def get_progress_key(pk: int) -> str:
    return f"import-progress:{pk}"


def get_queued_key(pk: int) -> str:
    return f"import-queued:{pk}"


def read_progress(run: ImportRun) -> int | None:
    return read_published_progress(get_progress_key(run.pk))


class CancellableProgress(PublishedProgress):
    """Publishes percentages, and stops the work with ImportCancelledError if a user asked for it."""

    def __init__(self, run: ImportRun) -> None:
        super().__init__(get_progress_key(run.pk))
        self.cancel_key = get_cancel_key(run.pk)
        self.checked_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        now = time.monotonic()
        if now - self.checked_at >= SECONDS_BETWEEN_CHECKS:
            self.checked_at = now
            if cache.get(self.cancel_key):
                raise ImportCancelledError


def note_queued(pk: int) -> None:
    """Remember that a task of the run waits in the queue; if Valkey loses the queue, it loses this too."""
    cache.set(get_queued_key(pk), True, SECONDS_IN_QUEUE)


def list_lost_runs() -> list[ImportRun]:
    """Return the runs that are to be checked, imported or undone, but that no process works on and no task waits for.

    A run of a feed is left out: its feed is fetched again, and an old file must not be imported after a newer one.
    """
    running = ImportRun.objects.filter(state__in=RUNNING_STATES)
    return select_lost_runs(running.exclude(started_by=None, state__in=FEED_STATES))


def select_lost_runs(running: QuerySet[ImportRun]) -> list[ImportRun]:
    """Return those of the running runs that no process works on and no task waits for."""
    open_runs = {run.pk: run for run in running.order_by("pk").only("state", "source", "started_by")}
    queued = cache.get_many([get_queued_key(pk) for pk in open_runs])
    locked = find_locked([name_run_lock(pk) for pk in open_runs])
    return [
        run for pk, run in open_runs.items() if get_queued_key(pk) not in queued and name_run_lock(pk) not in locked
    ]


def name_run_lock(pk: int) -> str:
    return f"imports.run:{pk}"


@contextmanager
def hold_run(run_id: int) -> Iterator[ImportRun]:
    """Hold a run's lock. Raises AlreadyRunningError if another process works on it."""
    with exclusive_lock(name_run_lock(run_id)):
        # its task no longer waits: if this process or its connection is lost, `list_lost_runs` finds the run immediately
        cache.delete(get_queued_key(run_id))
        yield ImportRun.objects.get(pk=run_id)


def check_run(*, run_id: int, at: datetime) -> ImportRun:
    """Check the file of a run: count what the import would change, and list the rejected rows."""
    with hold_run(run_id) as run:
        if run.state != ImportState.CHECKING:
            return run
        run.started_at = at
        try:
            outcome = get_kind(run).import_file(build_task(run, at=at, dry_run=True))
        except ImportCancelledError:
            run.state = ImportState.UPLOADED
        except ImportFileError as error:
            run.state, run.error = ImportState.FAILED, str(error)
        except Exception as error:
            fail_run(run, error)
            raise
        else:
            set_outcome(run, outcome)
            run.state, run.dry_run, run.finished_at = ImportState.CHECKED, True, at
        run.save()
    return run


def fail_run(run: ImportRun, error: Exception) -> None:
    """Record an unexpected error, unless the database itself has failed."""
    text = replace_stored_name(describe_error(error), path=get_path(run), file_name=run.file_name)
    run.state, run.error = ImportState.FAILED, text
    with suppress(Error):
        run.save()


def build_task(run: ImportRun, *, at: datetime, dry_run: bool) -> ImportTask:
    return ImportTask(run=run, path=get_path(run), at=at, dry_run=dry_run, progress=CancellableProgress(run))


def set_outcome(run: ImportRun, outcome: ImportOutcome) -> None:
    run.rows, run.created, run.updated = outcome.rows, outcome.created, outcome.updated
    run.unchanged, run.rejected = outcome.unchanged, outcome.rejected
    run.problems, run.counts = dict(outcome.problems), dict(outcome.counts)
    run.error_file = str(outcome.error_file) if outcome.error_file else ""


def import_run(*, run_id: int, at: datetime) -> ImportRun:
    """Import the file of a run. A canceled import changes nothing; one that was killed is completed by the next call."""
    with hold_run(run_id) as run:
        if run.state != ImportState.IMPORTING:
            return run
        kind = get_kind(run)
        run.started_at = at
        run.save(update_fields=["started_at"])
        clock = time.monotonic()
        try:
            with record_changes(run):
                outcome = kind.import_file(build_task(run, at=at, dry_run=False))
        except ImportCancelledError:
            undo_steps(run, kind, at=at)
            undo_changes(run=run, main_table=kind.main_table, is_forced=True)
            run.state, run.error = ImportState.CANCELLED, ""
        except ImportFileError as error:
            run.state, run.error = ImportState.FAILED, str(error)
        except Exception as error:
            fail_run(run, error)
            raise
        else:
            set_outcome(run, outcome)
            run.created, run.updated, run.unchanged = count_results(run, kind, outcome)
            run.state, run.dry_run = ImportState.IMPORTED, False
            run.undo_until = at + timedelta(days=get_retention_days("import_undo"))
        run.finished_at = at + timedelta(seconds=time.monotonic() - clock)
        run.save()
    return run


def count_results(run: ImportRun, kind: ImportKind, outcome: ImportOutcome) -> tuple[int, int, int]:
    """Return how many objects were created, updated and left unchanged, by all attempts of the import together."""
    if not kind.counts_changes:
        return outcome.created, outcome.updated, outcome.unchanged
    created, updated = count_changes(run, kind.main_table)
    return created, updated, max(0, outcome.created + outcome.updated + outcome.unchanged - created - updated)


def undo_steps(run: ImportRun, kind: ImportKind, *, at: datetime) -> None:
    if kind.undo_steps is not None:
        kind.undo_steps(run, at, PublishedProgress(get_progress_key(run.pk)))


def undo_run(*, run_id: int, at: datetime) -> UndoResult | None:
    """Undo an import; a killed undo is completed by the next call.

    If later data depends on the import, nothing is undone, and ``error`` has the reason.
    """
    with hold_run(run_id) as run:
        if run.state != ImportState.UNDOING:
            return None
        kind = get_kind(run)
        result: UndoResult | None = None
        try:
            undo_steps(run, kind, at=at)
            with transaction.atomic():
                result = undo_changes(run=run, main_table=kind.main_table)
                run.state, run.undone_at, run.error = ImportState.UNDONE, at, ""
                run.save()
        except UndoBlockedError as error:
            run.state, run.error = ImportState.IMPORTED, str(error)
            run.save()
        except Exception as error:
            run.state, run.error = ImportState.IMPORTED, describe_error(error)
            with suppress(Error):
                run.save()
            raise
    return result
