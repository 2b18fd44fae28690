"""Remembers the records of a shop: the platform's time of their last change, and which run saw them last."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import connection as database
from django.db import transaction
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError, compute_lock_key
from customers.connectors.models import ShopConnection, ShopRecordKind, SyncedRecord
from customers.connectors.platforms.base import Connector, MappedRecord, TemporaryError

REMEMBER = """
INSERT INTO connectors_syncedrecord (connection_id, kind, external_id, updated_at, local_ids, seen_run)
SELECT %(connection)s, %(kind)s, r.external_id, r.updated_at, r.local_ids::jsonb, %(run)s
FROM unnest(%(ids)s::text[], %(times)s::timestamptz[], %(locals)s::text[]) AS r (external_id, updated_at, local_ids)
ORDER BY r.external_id
ON CONFLICT (connection_id, kind, external_id) DO UPDATE
SET updated_at = greatest(EXCLUDED.updated_at, connectors_syncedrecord.updated_at), local_ids = EXCLUDED.local_ids,
    seen_run = greatest(EXCLUDED.seen_run, connectors_syncedrecord.seen_run), deleted_at = NULL
"""

# arrays, since Django takes longer to compile a list of thousands of values than PostgreSQL to find their rows
MARK_SEEN = """
UPDATE connectors_syncedrecord SET seen_run = %(run)s
WHERE connection_id = %(connection)s AND kind = %(kind)s AND external_id = ANY(%(ids)s::text[]) AND seen_run < %(run)s
"""
READ_TIMES = """
SELECT external_id, greatest(updated_at, deleted_at) FROM connectors_syncedrecord
WHERE connection_id = %(connection)s AND kind = %(kind)s AND external_id = ANY(%(ids)s::text[])
"""

# a record was created before its last change, so one without orders here is old if its last change is
FIND_OLDER = """
SELECT r.external_id FROM connectors_syncedrecord r
WHERE r.connection_id = %(connection)s AND r.kind = %(kind)s AND r.external_id = ANY(%(ids)s::text[])
  AND (r.updated_at < %(horizon)s OR EXISTS (
      SELECT FROM orders_order o WHERE o.source_id = %(source)s AND o.placed_at < %(horizon)s
      AND o.order_id IN (SELECT jsonb_array_elements_text(r.local_ids))))
"""


@contextmanager
def lock_records(*, connection: ShopConnection, kind: str) -> Iterator[None]:
    """Let no other process write records of a kind during the block, which is a transaction.

    A run and a webhook compare a record with the stored time and write it later: without the lock, an older version could be written after
    a newer one, and the record would keep the newer time.

    Raises:
        TemporaryError: a file with orders of the shop is being imported.
    """
    try:
        with transaction.atomic():
            with database.cursor() as cursor:
                name = f"connectors.records:{connection.pk}:{kind}"
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key(name)])
            yield
    except AlreadyRunningError as error:
        raise TemporaryError(
            _("A file with orders of this shop is being imported. The connector continues when the import is finished.")
        ) from error


def remember_records(
    *, connection: ShopConnection, kind: str, records: Sequence[MappedRecord], run_id: int = 0
) -> None:
    """Store the times of written records, in the caller's transaction."""
    latest = {record.external_id: record for record in records}
    if not latest:
        return
    with database.cursor() as cursor:
        cursor.execute(
            REMEMBER,
            {
                "connection": connection.pk,
                "kind": kind,
                "run": run_id,
                "ids": list(latest),
                "times": [record.updated_at for record in latest.values()],
                "locals": [json.dumps(list_item_ids(kind, record)) for record in latest.values()],
            },
        )


def mark_seen(*, connection: ShopConnection, kind: str, records: Sequence[MappedRecord], run_id: int) -> None:
    """Note that a run has seen the records, including those that it does not write because a newer version is already stored."""
    ids = [record.external_id for record in records]
    with database.cursor() as cursor:
        cursor.execute(MARK_SEEN, {"connection": connection.pk, "kind": kind, "run": run_id, "ids": ids})


def list_item_ids(kind: str, record: MappedRecord) -> list[str]:
    """Return our IDs of a record; a customer has the same ID in both systems, so it is not stored again."""
    name = {ShopRecordKind.PRODUCTS: "product_id", ShopRecordKind.ORDERS: "order_id"}.get(ShopRecordKind(kind))
    return [str(item[name]) for item in record.items if item.get(name)] if name else []


def remember_deletions(*, connection: ShopConnection, kind: str, external_ids: Collection[str], at: datetime) -> None:
    rows = SyncedRecord.objects.filter(connection=connection, kind=kind, external_id__in=external_ids)
    rows.filter(deleted_at=None).update(deleted_at=at)


def read_times(
    *, connection: ShopConnection, kind: str, external_ids: Collection[str]
) -> Mapping[str, datetime | None]:
    """Return the platform's time of the last written change by record; for a deleted record, this is the time of the deletion."""
    with database.cursor() as cursor:
        cursor.execute(READ_TIMES, {"connection": connection.pk, "kind": kind, "ids": list(external_ids)})
        return dict(cursor.fetchall())


def list_unseen(*, connection: ShopConnection, kind: str, run_id: int, before: datetime) -> list[str]:
    """Return the records that a complete run has not seen, except for those that changed after its start, which may be new."""
    rows = SyncedRecord.objects.filter(connection=connection, kind=kind, deleted_at=None, seen_run__lt=run_id)
    return list(rows.exclude(updated_at__gte=before).order_by("external_id").values_list("external_id", flat=True))


def choose_gone(
    connector: Connector, *, connection: ShopConnection, kind: str, missing: Collection[str], at: datetime
) -> list[str]:
    """Return the missing records that the shop no longer has; leave out those that are so old that the platform hides them."""
    horizon = connector.find_horizon(kind, at=at) if missing else None
    if horizon is None:
        return sorted(missing)
    with database.cursor() as cursor:
        cursor.execute(
            FIND_OLDER,
            {
                "connection": connection.pk,
                "source": connection.source_id,
                "kind": kind,
                "ids": list(missing),
                "horizon": horizon,
            },
        )
        return sorted(set(missing) - {external_id for (external_id,) in cursor.fetchall()})
