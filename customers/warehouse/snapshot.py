"""Reading many tables as they were at one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """One transaction in which every query sees the same state; a caller's own transaction is used as it is.

    The server looks every two seconds whether its client still lives: after a kill -9 the locks are free soon.
    """
    nested = connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            if not nested:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(
                "SET LOCAL client_connection_check_interval = '2s'; SET LOCAL work_mem = '128MB'; SET LOCAL jit = off"
            )
        yield
