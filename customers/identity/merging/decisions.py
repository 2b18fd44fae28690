"""Decisions of users about identities; each is recorded in the audit log."""

from datetime import datetime

from auditlog.models import LogEntry
from django.db import transaction
from django.utils.translation import gettext as _

from customers.identity.locking import lock_identities
from customers.identity.merging.merge import merge_customers
from customers.identity.models import IdentityConflict, IdentityMerge

Resolution = IdentityConflict.Resolution
Status = IdentityConflict.Status


class AlreadyResolvedError(Exception):
    """Another user has already resolved the conflict."""

    def __init__(self, conflict: IdentityConflict) -> None:
        super().__init__(_("%(by)s has already resolved this conflict.") % {"by": conflict.resolved_by or "–"})


def merge_by_hand(*, kept_id: int, merged_id: int, at: datetime, by: str) -> IdentityMerge:
    """Merge two customers and record it in the audit log. Raises MergeError."""
    with transaction.atomic():
        [merge_id] = merge_customers(pairs=[(kept_id, merged_id)], at=at, causes=[by])
        merge = IdentityMerge.objects.get(pk=merge_id)
        LogEntry.objects.log_create(merge, force_log=True, action=LogEntry.Action.CREATE)
    return merge


def merge_conflicting(*, conflict_id: int, kept_id: int, merged_id: int, at: datetime, by: str) -> IdentityMerge:
    """Merge two customers of a conflict, which is resolved if no other customer is involved.

    Raises:
        MergeError, AlreadyResolvedError
    """
    with transaction.atomic():
        lock_identities()
        get_open_conflict(conflict_id)
        merge = merge_by_hand(kept_id=kept_id, merged_id=merged_id, at=at, by=by)
        conflict = IdentityConflict.objects.get(pk=conflict_id)
        if conflict.status == Status.RESOLVED:
            save_decision(conflict, Resolution.MERGED, at=at, by=by)
    return merge


def decide_conflict(*, conflict_id: int, resolution: str, at: datetime, by: str) -> None:
    """Resolve a conflict without a merge. Raises AlreadyResolvedError."""
    with transaction.atomic():
        lock_identities()
        save_decision(get_open_conflict(conflict_id), resolution, at=at, by=by)


def reopen_conflict(*, conflict_id: int) -> None:
    """Open a resolved conflict again."""
    with transaction.atomic():
        lock_identities()
        conflict = IdentityConflict.objects.get(pk=conflict_id)
        conflict.status, conflict.resolution, conflict.resolved_at, conflict.resolved_by = Status.OPEN, "", None, ""
        conflict.save()


def get_open_conflict(conflict_id: int) -> IdentityConflict:
    """Return a conflict. Raises AlreadyResolvedError unless it is open."""
    conflict = IdentityConflict.objects.get(pk=conflict_id)
    if conflict.status != Status.OPEN:
        raise AlreadyResolvedError(conflict)
    return conflict


def save_decision(conflict: IdentityConflict, resolution: str, *, at: datetime, by: str) -> None:
    conflict.status, conflict.resolution = Status.RESOLVED, resolution
    conflict.resolved_at, conflict.resolved_by = at, by[:100]
    conflict.save()
