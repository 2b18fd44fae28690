"""What people decide about who is who; each decision stands in the audit log."""

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
    """Somebody was faster."""

    def __init__(self, conflict: IdentityConflict) -> None:
        super().__init__(_("%(by)s has decided this conflict already.") % {"by": conflict.resolved_by or "–"})


def merge_by_hand(*, kept_id: int, folded_id: int, at: datetime, by: str) -> IdentityMerge:
    """Errors: MergeError."""
    with transaction.atomic():
        [merge_id] = merge_customers(pairs=[(kept_id, folded_id)], at=at, causes=[by])
        merge = IdentityMerge.objects.get(pk=merge_id)
        LogEntry.objects.log_create(merge, force_log=True, action=LogEntry.Action.CREATE)
    return merge


def merge_conflicting(*, conflict_id: int, kept_id: int, folded_id: int, at: datetime, by: str) -> IdentityMerge:
    """Merges two customers of a conflict, which is resolved when nobody else is in it.

    Errors: MergeError, AlreadyResolvedError.
    """
    with transaction.atomic():
        lock_identities()
        still_open(conflict_id)
        merge = merge_by_hand(kept_id=kept_id, folded_id=folded_id, at=at, by=by)
        conflict = IdentityConflict.objects.get(pk=conflict_id)
        if conflict.status == Status.RESOLVED:
            write_decision(conflict, Resolution.MERGED, at=at, by=by)
    return merge


def decide_conflict(*, conflict_id: int, resolution: str, at: datetime, by: str) -> None:
    """Keeps the customers apart, or says that there is nothing to do. Errors: AlreadyResolvedError."""
    with transaction.atomic():
        lock_identities()
        write_decision(still_open(conflict_id), resolution, at=at, by=by)


def reopen_conflict(*, conflict_id: int) -> None:
    with transaction.atomic():
        lock_identities()
        conflict = IdentityConflict.objects.get(pk=conflict_id)
        conflict.status, conflict.resolution, conflict.resolved_at, conflict.resolved_by = Status.OPEN, "", None, ""
        conflict.save()


def still_open(conflict_id: int) -> IdentityConflict:
    conflict = IdentityConflict.objects.get(pk=conflict_id)
    if conflict.status != Status.OPEN:
        raise AlreadyResolvedError(conflict)
    return conflict


def write_decision(conflict: IdentityConflict, resolution: str, *, at: datetime, by: str) -> None:
    conflict.status, conflict.resolution = Status.RESOLVED, resolution
    conflict.resolved_at, conflict.resolved_by = at, by[:100]
    conflict.save()
