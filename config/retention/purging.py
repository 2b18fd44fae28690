"""Deletes what is older than its retention: each kind separately, so that a failure of one does not stop the others."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from config.foundation.audit_log import record_action
from config.foundation.progress import is_worker_stopping
from config.foundation.retention.kinds import RetentionKind, list_retention_kinds
from config.foundation.retention.periods import find_days, read_stored_days
from config.retention.models import RetentionSetting

logger = logging.getLogger(__name__)


class PurgeError(Exception):
    """Some kinds of data could not be deleted; the next run tries again."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"Old data could not be deleted: {', '.join(keys)}. The log of the worker has the reason.")


def purge_old_data(*, now: datetime) -> dict[str, int]:
    """Delete what is older than its retention; return how many rows or files were deleted, by kind.

    Raises:
        PurgeError: some kinds failed; the others were deleted.
    """
    stored, deleted, failed = read_stored_days(), {}, []
    for kind in list_retention_kinds():
        days = find_days(kind, stored)
        if days is None:
            continue
        if is_worker_stopping():
            break
        try:
            deleted[kind.key] = purge_kind(kind, days=days, now=now)
        except Exception:
            logger.exception("Old data of the kind %s could not be deleted", kind.key)
            failed.append(kind.key)
    if counts := {key: count for key, count in deleted.items() if count}:
        record_action("retention.purged", model=RetentionSetting, details={"deleted": counts})
    if failed:
        raise PurgeError(failed)
    return deleted


def purge_kind(kind: RetentionKind, *, days: int, now: datetime) -> int:
    """Delete what is older than so many days; return the number of rows or files."""
    return kind.purge(now - timedelta(days=days))
