"""Who may write profiles: a refresh of everybody alone, live changes beside each other.

A refresh writes every profile as of its snapshot; a row that somebody else changed meanwhile would make it fail. Live changes that
find a refresh under way don't wait for it: they note whom they concern, and those are counted anew afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from config.foundation.database.advisory_locks import lock_key

PROFILE_LOCK_KEY = lock_key("lifecycle.profiles")


@contextmanager
def lock_all_profiles() -> Iterator[None]:
    """Waits for the live changes under way, which take a second, and keeps others away while the block runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PROFILE_LOCK_KEY])
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [PROFILE_LOCK_KEY])


def try_share_profile_lock() -> bool:
    """Whether no refresh is under way; if so, none begins before the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [PROFILE_LOCK_KEY])
        return bool(cursor.fetchone()[0])
