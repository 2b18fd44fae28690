"""Reads many tables in one consistent snapshot."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def read_snapshot() -> Iterator[None]:
    """Run the block in one transaction in which every query sees the same state.

    A caller's transaction is used as is. The server checks every two seconds whether its client is still alive, so a
    killed process releases its locks soon.
    """
    nested = connection.in_atomic_block  # the isolation level can only be set before the first query of a transaction
    with transaction.atomic():
        with connection.cursor() as cursor:
            if not nested:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(
                "SET LOCAL client_connection_check_interval = '2s'; SET LOCAL work_mem = '128MB'; SET LOCAL jit = off"
            )
        yield
