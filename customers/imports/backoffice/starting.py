"""Starts the check, the import and the undo of a file: small files are checked while the browser waits, the rest is left to a worker."""

from contextlib import suppress

from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.imports import runs, tasks
from customers.imports.models import ImportRun, ImportState

CHECKABLE = (ImportState.UPLOADED, ImportState.CHECKED, ImportState.FAILED, ImportState.CANCELLED, ImportState.CHECKING)
IMPORTABLE = (ImportState.CHECKED, ImportState.FAILED, ImportState.CANCELLED, ImportState.IMPORTING)


def start_check(run: ImportRun) -> None:
    if not runs.begin(run, ImportState.CHECKING, allowed=CHECKABLE):
        return
    if runs.UPLOADS.is_large(run):
        enqueue(run, fallback=ImportState.FAILED)
        return
    with suppress(AlreadyRunningError):  # another request checks it
        runs.check_run(run_id=run.pk, at=timezone.now())
    run.refresh_from_db()


def start_import(run: ImportRun) -> None:
    if runs.begin(run, ImportState.IMPORTING, allowed=IMPORTABLE):
        enqueue(run, fallback=ImportState.FAILED)


def cancel(run: ImportRun) -> None:
    """Cancel a run that waits for a worker, or ask its worker to stop. If that was killed, the next worker removes what was written."""
    runs.request_cancel(run)
    if runs.cancel_waiting(run, at=timezone.now()):
        return
    enqueue(run, fallback=ImportState(run.state))


def start_undo(run: ImportRun) -> None:
    if runs.begin(run, ImportState.UNDOING, allowed=(ImportState.IMPORTED, ImportState.UNDOING)):
        enqueue(run, fallback=ImportState.IMPORTED)


def enqueue(run: ImportRun, *, fallback: ImportState) -> None:
    """Leave the work to a worker; without a broker, restore the previous state of the run and store the reason."""
    try:
        tasks.queue_run(run)
    except OperationalError as error:
        run.state = fallback
        run.error = _("No worker is available: %(reason)s. Try again.") % {"reason": error}
        run.save(update_fields=["state", "error"])
