"""Locks for writing profiles: a refresh is exclusive, live updates share the lock.

A refresh writes every profile in a repeatable-read transaction, which would fail on a row that was changed since its snapshot. Live
updates do not wait for a running refresh: they queue the customers, who are recounted after it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from config.foundation.database.advisory_locks import compute_lock_key, fetch_value, open_lock_session, release_lock

PROFILE_LOCK_KEY = compute_lock_key("lifecycle.profiles")


@contextmanager
def lock_all_profiles() -> Iterator[None]:
    """Wait for running live updates to end, and keep others from starting while the block runs.

    A live update takes about a second.
    """
    # A lock of the session, not of the transaction: it is taken before the snapshot and held until after the commit.
    with open_lock_session() as session:
        fetch_value(session, "SELECT pg_advisory_lock(%s)", PROFILE_LOCK_KEY)
        try:
            yield
        finally:
            release_lock(session, PROFILE_LOCK_KEY)


def try_share_profile_lock() -> bool:
    """Return whether no refresh is running.

    If so, none starts before the caller's transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [PROFILE_LOCK_KEY])
        return bool(cursor.fetchone()[0])
