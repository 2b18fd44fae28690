"""Makes PostgreSQL find a few rows of large tables by their indexes, whatever the planner estimates."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

OTHER_SCANS = ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_bitmapscan")


@contextmanager
def prefer_index_scans() -> Iterator[None]:
    """Within a transaction, look rows up by index, in joins too.

    Before a table is analyzed for the first time, the planner estimates 27 identifiers of a type and scans all of them for
    each event: 30 s instead of 0.08 s. And the newest rows are in ranges that the BRIN index on their time has not
    summarized yet: with a million such rows, finding 5,000 events took 685 ms by that index and 7 ms by their IDs.
    """
    set_other_scans("off")
    yield
    set_other_scans("on")  # after a failure, the end of the transaction resets the settings


def set_other_scans(state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"set_config('{name}', '{state}', true)" for name in OTHER_SCANS))
