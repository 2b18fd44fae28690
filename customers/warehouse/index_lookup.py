"""A few rows of large tables, found by their indexes whatever the planner guesses."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

OTHER_WAYS = ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_bitmapscan")


@contextmanager
def by_index() -> Iterator[None]:
    """Within a transaction: rows are looked up one by one, in joins as well.

    Before a table is analysed for the first time the planner takes a kind of identifiers for 27 rows and reads all of them for each
    event: 30 s for what takes 0.08 s. And the newest rows stand in ranges that the BRIN index of their age has not summed up yet:
    with a million of those, finding 5,000 events by it took 685 ms, by their ids 7 ms.
    """
    switch("off")
    yield
    switch("on")  # where the block fails, the transaction's end does it


def switch(state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"set_config('{name}', '{state}', true)" for name in OTHER_WAYS))
