"""The lock that lets one process at a time write the orders of a source."""

from django.db import OperationalError, connection, transaction

from config.foundation.database.advisory_locks import AlreadyRunningError, compute_lock_key
from config.foundation.database.statement_timeouts import is_lock_timeout
from customers.events.models import Source

LOCK_TIMEOUT = "10s"


def name_source_lock(source_key: str) -> str:
    """Return the name of the advisory lock of a source's orders."""
    return f"orders:{source_key}"


def lock_source(source: Source) -> None:
    """Hold the source's lock until the current transaction ends.

    Raises:
        AlreadyRunningError: a file of this source is being imported.
    """
    name = name_source_lock(source.key)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key(name)])
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        raise AlreadyRunningError(name) from error
