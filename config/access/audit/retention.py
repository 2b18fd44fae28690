"""Deletes entries of the audit log after the retention period, and records the deletion."""

import json
from datetime import datetime

from django.db import connection, transaction

from config.access.models import AuditSeal
from config.foundation.audit_log import find_actor, make_actor_fields

PURGE_EVENT = "audit_log.purged"
MIN_DAYS = 30  # also in the database function, so that nobody can delete recent traces


def purge_entries(*, before: datetime) -> int:
    """Delete the entries that were sealed before a time, and return their number.

    Whole seals only, so that the chain of seals shows what was deleted. The database function adds the entry about it.

    Raises:
        django.db.DatabaseError: the time is less than 30 days ago.
    """
    with transaction.atomic():
        until_seal = AuditSeal.objects.filter(created_at__lt=before).order_by("-number").values_list("number").first()
        actor = make_actor_fields(find_actor(), event=PURGE_EVENT)["additional_data"]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT purge_audit_log(%s, %s::jsonb)", [until_seal[0] if until_seal else 0, json.dumps(actor)]
            )
            return int(cursor.fetchone()[0])
