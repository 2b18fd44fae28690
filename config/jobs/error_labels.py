"""Why a job failed, in words, and what to do."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.jobs.models import ScheduledRun
from config.jobs.recording import INTERRUPTED

DATABASE = gettext_lazy(
    "The database did not answer, or ended a statement that took too long. The next run tries again."
)
VALKEY = gettext_lazy("Valkey did not answer. The next run tries again; if it fails again, check the server.")
MEMORY = gettext_lazy("The memory was not enough. Give the worker more memory, or run fewer jobs at the same time.")
DISK = gettext_lazy("A file could not be read or written. Check the free space and the permissions of the data folder.")

ERRORS: dict[str, str | Promise] = {
    INTERRUPTED: gettext_lazy(
        "The process ended before the job was done, such as at a restart. The next run starts again."
    ),
    "OperationalError": DATABASE,
    "InterfaceError": DATABASE,
    "PoolTimeout": DATABASE,
    "QueryCanceled": DATABASE,
    "ConnectionError": VALKEY,
    "TimeoutError": VALKEY,
    "MemoryError": MEMORY,
    "_ArrayMemoryError": MEMORY,
    "OSError": DISK,
    "PermissionError": DISK,
    "FileNotFoundError": DISK,
}


def describe_job_error(run: ScheduledRun) -> str:
    """Return a sentence on why the run ended early; "" for a successful one."""
    if run.status == ScheduledRun.Status.CANCELLED:
        if run.cancelled_by:
            return _("Cancelled by %(user)s. The next run starts again.") % {"user": run.cancelled_by}
        return _("Cancelled. The next run starts again.")
    if run.status != ScheduledRun.Status.FAILED:
        return ""
    known = ERRORS.get(run.error_type)
    if known is not None:
        return str(known)
    message = run.error.strip().split("\n")[0]
    return _("An unexpected error: %(message)s. The log of the worker has the details.") % {
        "message": (message or run.error_type).rstrip(".")
    }
