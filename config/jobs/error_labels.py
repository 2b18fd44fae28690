"""Why a job failed, in words, and what to do."""

import builtins

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.jobs.models import ScheduledRun
from config.jobs.recording import INTERRUPTED, SKIPPED
from customers.identity.personal_data.masking import mask_text

DATABASE = gettext_lazy(
    "The database did not respond, or ended a statement that took too long. Check that PostgreSQL runs and is not overloaded, then run "
    "the job again."
)
TABLES = gettext_lazy(
    "The tables do not match this version. Run the migrations (manage.py migrate), then run the job again."
)
VALKEY = gettext_lazy("Valkey did not respond. Check that it runs and has free memory, then run the job again.")
MEMORY = gettext_lazy("There was not enough memory. Give the worker more memory, or run fewer jobs at the same time.")
DISK = gettext_lazy("A file could not be read or written. Check the free space and the permissions of the data folder.")
MAIL = gettext_lazy(
    "The mail server refused the connection or the login. Check EMAIL_HOST, EMAIL_USER and EMAIL_PASSWORD."
)
KEYS = gettext_lazy("A value cannot be decrypted. Add the key that encrypted it to FIELD_KEYS, after the new one.")
DATA = gettext_lazy(
    "A row conflicts with another row; for example, its ID already exists. The details show the constraint; "
    "correct the data, then run the job again."
)

ERRORS: dict[str, str | Promise] = {
    INTERRUPTED: gettext_lazy(
        "The run was interrupted, for example because Perennial or PostgreSQL restarted. The job runs again automatically."
    ),
    SKIPPED: gettext_lazy(
        "Skipped: a command or another job was already doing this work. You do not have to do anything."
    ),
    "OperationalError": DATABASE,
    "InterfaceError": DATABASE,
    "PoolTimeout": DATABASE,
    "QueryCanceled": DATABASE,
    "ProgrammingError": TABLES,
    "UndefinedTable": TABLES,
    "UndefinedColumn": TABLES,
    "IntegrityError": DATA,
    "ConnectionError": VALKEY,
    "TimeoutError": VALKEY,
    "ValkeyDownError": VALKEY,
    "MemoryError": MEMORY,
    "_ArrayMemoryError": MEMORY,
    "OSError": DISK,
    "PermissionError": DISK,
    "FileNotFoundError": DISK,
    "IOException": DISK,  # of DuckDB
    "WarehouseWriteError": gettext_lazy(
        "The warehouse could not be written. Check the free space and the permissions of its folder (WAREHOUSE_URL), then run the job again."
    ),
    "SMTPAuthenticationError": MAIL,
    "SMTPServerDisconnected": MAIL,
    "SMTPConnectError": MAIL,
    "UnreadableFieldError": KEYS,
}


def find_label(error_type: str) -> str | Promise | None:
    """Return the sentence of an error, or that of the nearest built-in class above it, such as OSError."""
    if error_type in ERRORS:
        return ERRORS[error_type]
    built_in = getattr(builtins, error_type, None)
    if not isinstance(built_in, type):
        return None
    return next((ERRORS[parent.__name__] for parent in built_in.__mro__ if parent.__name__ in ERRORS), None)


def describe_error(error_type: str, error: str = "") -> str:
    """Return a sentence on an error and what to do about it."""
    known = find_label(error_type)
    if known is not None:
        return str(known)
    message = mask_text(error.strip().split("\n")[0]) or error_type
    return _("An unexpected error: %(message)s. The log of the worker has the details.") % {
        "message": message.rstrip(".")
    }


def describe_job_error(run: ScheduledRun) -> str:
    """Return a sentence on why the run ended early; "" for a successful one."""
    if run.status == ScheduledRun.Status.CANCELLED:
        if run.error_type == SKIPPED:
            return describe_error(SKIPPED)
        if run.cancelled_by:
            return _("Canceled by %(user)s. The next run starts over.") % {"user": run.cancelled_by}
        return _("Canceled. The next run starts over.")
    if run.status != ScheduledRun.Status.FAILED:
        return ""
    return describe_error(run.error_type, run.error)
