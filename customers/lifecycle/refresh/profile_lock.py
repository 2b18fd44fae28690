"""Locks for writing profiles: a refresh is exclusive, live updates share the lock.

A refresh writes every profile in a repeatable-read transaction, which would fail on a row that was changed since its snapshot. Live
updates do not wait for a running refresh: they queue the customers, who are recounted after it. Merges and deletions
of visitors have to delete profiles, for which a second lock exists: a full refresh takes it only when it begins to write, and then leaves
out the customers who were removed since its snapshot.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from django.db import connection

from config.foundation.database.advisory_locks import compute_lock_key, fetch_value, open_lock_session, release_lock
from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.database.direct_connection import open_direct_connection

logger = logging.getLogger(__name__)
PROFILE_LOCK_KEY = compute_lock_key("lifecycle.profiles")
PROFILE_WRITE_LOCK_KEY = compute_lock_key("lifecycle.profile_writes")

LAST_MERGE = "SELECT COALESCE(max(id), 0) FROM identity_identitymerge"
# Merges are serialized by the lock of identities, so their IDs are in the order of their commits. A merged customer exists again if the
# merge was undone.
FIND_REMOVED = """
SELECT merged_id FROM identity_identitymerge WHERE id > %s
UNION
SELECT s.id FROM unnest(%s::bigint[]) AS s (id) WHERE NOT EXISTS (SELECT FROM identity_customer c WHERE c.id = s.id)
"""


@contextmanager
def lock_all_profiles(*, with_removals: bool = True) -> Iterator[None]:
    """Wait for running live updates to end, and keep others from starting while the block runs.

    A live update takes about a second. with_removals: False lets merges continue; the block calls `lock_profile_writes` before it writes.
    """
    # Locks of the session, not of the transaction: they are taken before the snapshot and held until after the commit.
    keys = [PROFILE_LOCK_KEY, PROFILE_WRITE_LOCK_KEY] if with_removals else [PROFILE_LOCK_KEY]
    with open_lock_session() as session, ExitStack() as held:
        for key in keys:
            if not fetch_value(session, "SELECT pg_try_advisory_lock(%s)", key):
                logger.info("Waiting for another job that writes profiles")
                fetch_value(session, "SELECT pg_advisory_lock(%s)", key)
            held.callback(release_lock, session, key)
        yield


def lock_profile_writes(customer_ids: Sequence[int]) -> list[int]:
    """Keep customers from being merged and deleted until the transaction ends; return those of whom it was since the snapshot.

    The transaction must not write rows of these customers: it would fail on rows that are deleted, and bring others back.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PROFILE_WRITE_LOCK_KEY])
        cursor.execute("SHOW transaction_isolation")
        if cursor.fetchone()[0] != "repeatable read":
            return []  # the caller's transaction has no snapshot, so it sees who was removed
        cursor.execute(LAST_MERGE)
        last_merge = cursor.fetchone()[0]
    with open_direct_connection() as session:
        removed = session.execute(FIND_REMOVED, [last_merge, format_bigint_list(customer_ids)])
        return [customer_id for (customer_id,) in removed]


def share_profile_writes() -> None:
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
