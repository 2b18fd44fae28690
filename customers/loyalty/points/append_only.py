"""The exception to the append-only ledger of points: erasing a customer."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def allow_ledger_changes() -> Iterator[None]:
    """Let the database delete entries of the ledger, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('perennial.point_ledger', 'on', true)")
    try:
        yield
    finally:
        if not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('perennial.point_ledger', 'off', true)")
