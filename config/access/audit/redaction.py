"""Removes erased people from entries of the audit log, without breaking its seals.

A seal holds the hash of each entry as it was written. A redaction adds the keyed hash of the entry as it is now: the verification accepts this
hash as well, so only entries that were edited in any other way are reported.
"""

from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from config.access.audit.seals import hash_entries, list_seal_keys, seal_entries
from config.access.models import AuditRedaction


def redact_entries(ids: Sequence[int]) -> int:
    """Remove the object and the values of entries, in the caller's transaction; return how many were changed."""
    if not ids:
        return 0
    now = timezone.now()
    seal_entries(now=now)  # as they were written, before they change
    with connection.cursor() as cursor:
        cursor.execute("SELECT redact_audit_log(%s::bigint[])", [list(ids)])
        changed = int(cursor.fetchone()[0])
    hashes = hash_entries(ids, list_seal_keys()[0])
    rows = [AuditRedaction(entry_id=pk, entry_hash=value, redacted_at=now) for pk, value in hashes.items()]
    AuditRedaction.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["entry_id"], update_fields=["entry_hash", "redacted_at"]
    )
    return changed
