"""The lock that serializes linking, merging, undoing and erasing, so that each transaction sees the others' decisions."""

from django.db import connection

from config.foundation.database.advisory_locks import compute_lock_key

LOCK = "identity"


def lock_identities() -> None:
    """Wait for the identity lock and hold it until the end of the current transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key(LOCK)])
