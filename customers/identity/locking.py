"""Whoever links, merges, undoes or erases holds one lock to the end of the transaction; so each sees what the others decided."""

from django.db import connection

from config.foundation.database.advisory_locks import lock_key

LOCK = "identity"


def lock_identities() -> None:
    """Waits until nobody else changes who is who; call it inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(LOCK)])
