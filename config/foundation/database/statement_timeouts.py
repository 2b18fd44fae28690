"""Limits statements, and recognizes statements that PostgreSQL stopped because they took or waited too long."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"


def is_statement_timeout(error: OperationalError) -> bool:
    """Return whether the statement reached ``statement_timeout``, or was canceled."""
    return getattr(error.__cause__, "sqlstate", "") == QUERY_CANCELED


def is_lock_timeout(error: OperationalError) -> bool:
    """Return whether the statement waited for a lock longer than ``lock_timeout``."""
    return getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE


@contextmanager
def limit_statements(milliseconds: int) -> Iterator[None]:
    """Let PostgreSQL stop each statement of the block that takes longer; the block is a transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
        yield
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
