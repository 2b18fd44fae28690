"""Locks for writing profiles: a refresh is exclusive, live updates share the lock.

A refresh writes every profile in a repeatable-read transaction, which would fail on a row that was changed since its snapshot. Live
updates do not wait for a running refresh: they queue the customers, who are recounted after it. A merge has to delete the rows of the
merged customer, for which a second lock exists: a full refresh takes it only when it begins to write, and then leaves out the customers
who were merged since its snapshot.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import connection

from config.foundation.database.advisory_locks import compute_lock_key, fetch_value, open_lock_session, release_lock
from config.foundation.database.direct_connection import open_direct_connection

PROFILE_LOCK_KEY = compute_lock_key("lifecycle.profiles")
PROFILE_WRITE_LOCK_KEY = compute_lock_key("lifecycle.profile_writes")

LAST_MERGE = "SELECT COALESCE(max(id), 0) FROM identity_identitymerge"
# Merges are serialized by the lock of identities, so their IDs are in the order of their commits.
LATER_MERGES = "SELECT DISTINCT merged_id FROM identity_identitymerge WHERE id > %s ORDER BY merged_id"


@contextmanager
def lock_all_profiles(*, with_merges: bool = True) -> Iterator[None]:
    """Wait for running live updates to end, and keep others from starting while the block runs.

    A live update takes about a second. with_merges: False lets merges continue; the block calls `lock_out_merges` before it writes.
    """
    # Locks of the session, not of the transaction: they are taken before the snapshot and held until after the commit.
    keys = [PROFILE_LOCK_KEY, PROFILE_WRITE_LOCK_KEY] if with_merges else [PROFILE_LOCK_KEY]
    with open_lock_session() as session, ExitStack() as held:
        for key in keys:
            fetch_value(session, "SELECT pg_advisory_lock(%s)", key)
            held.callback(release_lock, session, key)
        yield


def lock_out_merges() -> list[int]:
    """Wait for running merges, and keep others from starting until the transaction ends; return who was merged since its snapshot.

    The transaction must not write rows of these customers: they are deleted, or were restored since.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PROFILE_WRITE_LOCK_KEY])
        cursor.execute(LAST_MERGE)
        last_merge = cursor.fetchone()[0]
    # The transaction only sees its snapshot.
    with open_direct_connection() as session:
        return [customer_id for (customer_id,) in session.execute(LATER_MERGES, [last_merge])]


def share_write_lock() -> None:
    """Keep refreshes from writing profiles until the caller's transaction ends; wait for one that is writing."""
    if not try_share_profile_lock():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [PROFILE_WRITE_LOCK_KEY])


def try_share_profile_lock() -> bool:
    """Return whether no refresh is running.

    If so, none starts before the caller's transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [PROFILE_LOCK_KEY])
        return bool(cursor.fetchone()[0])
