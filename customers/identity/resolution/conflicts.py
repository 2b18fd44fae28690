"""Stores identity conflicts: one row per disputed identifier or pair, until a user decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from customers.identity.models import IdentityConflict
from customers.identity.resolution.resolution_rules import MAX_LISTED, DetectedConflict, follow_merges

REASON = IdentityConflict.Reason
STATUS = IdentityConflict.Status
UPDATED_FIELDS = ["at", "last_at", "identifiers", "customer_ids", "status", "resolution", "resolved_at", "resolved_by"]


@dataclass(slots=True)
class ConflictDraft:
    """The values of one IdentityConflict row."""

    reason: str
    cause: str
    first_at: datetime
    last_at: datetime
    identifiers: list[dict[str, str]] = field(default_factory=list)
    customer_ids: list[int] = field(default_factory=list)


def record_conflicts(*, detected: Iterable[DetectedConflict]) -> list[int]:
    """Write detected conflicts; return the ids of their rows. The caller holds the identity lock.

    A resolved conflict is reopened if another customer becomes involved.
    """
    drafts: dict[str, ConflictDraft] = {}
    for conflict in detected:
        add_conflict(drafts, conflict)
    if not drafts:
        return []
    stored = IdentityConflict.objects.in_bulk(list(drafts), field_name="fingerprint")
    changed = [row for key, row in stored.items() if update_conflict(row, drafts[key])]
    IdentityConflict.objects.bulk_update(changed, UPDATED_FIELDS, batch_size=500)
    new = [
        IdentityConflict(
            fingerprint=key,
            reason=draft.reason,
            cause=draft.cause,
            at=draft.first_at,
            last_at=draft.last_at,
            identifiers=draft.identifiers,
            customer_ids=draft.customer_ids,
        )
        for key, draft in drafts.items()
        if key not in stored
    ]
    IdentityConflict.objects.bulk_create(new)
    return [row.pk for row in [*stored.values(), *new]]


def add_conflict(drafts: dict[str, ConflictDraft], conflict: DetectedConflict) -> None:
    customers = list(
        dict.fromkeys(
            customer_id for person in conflict.people if (customer_id := follow_merges(person).id) is not None
        )
    )
    if conflict.reason in (REASON.TWO_USER_IDS, REASON.UNDONE) and len(customers) < 2:
        return  # a later event of the same batch resolved it
    key = fingerprint_conflict(conflict, customers)
    draft = drafts.setdefault(
        key, ConflictDraft(conflict.reason, conflict.event.message_id[:100], conflict.first_at, conflict.last_at)
    )
    draft.first_at = min(draft.first_at, conflict.first_at)
    draft.last_at = max(draft.last_at, conflict.last_at)
    append_missing(draft.identifiers, [{"kind": kind, "value": value} for kind, value in conflict.keys])
    append_missing(draft.customer_ids, customers)


def fingerprint_conflict(conflict: DetectedConflict, customers: Sequence[int]) -> str:
    """Return what identifies a conflict: the disputed identifier, the customer over a limit, or the separated pair."""
    kind, value = conflict.keys[0]
    match conflict.reason:
        case REASON.LIMIT:
            parts = [conflict.reason, kind, *map(str, customers)]
        case REASON.UNDONE:
            parts = [conflict.reason, *map(str, sorted(customers))]
        case _:
            parts = [conflict.reason, kind, value]
    return sha256("\0".join(parts).encode()).hexdigest()


def update_conflict(conflict: IdentityConflict, draft: ConflictDraft) -> bool:
    """Add new facts to a stored conflict; return whether there were any."""
    before = (conflict.at, conflict.last_at, len(conflict.customer_ids), len(conflict.identifiers))
    conflict.at = min(conflict.at, draft.first_at)
    conflict.last_at = max(conflict.last_at, draft.last_at)
    n_customers = len(conflict.customer_ids)
    append_missing(conflict.customer_ids, draft.customer_ids)
    if len(conflict.customer_ids) > n_customers:
        append_missing(conflict.identifiers, draft.identifiers)
        conflict.status, conflict.resolution, conflict.resolved_at, conflict.resolved_by = STATUS.OPEN, "", None, ""
    return before != (conflict.at, conflict.last_at, len(conflict.customer_ids), len(conflict.identifiers))


def append_missing(values: list[Any], additions: Sequence[Any]) -> None:
    """Append the values that are missing, up to MAX_LISTED, as many as a user can review."""
    for value in additions:
        if value not in values and len(values) < MAX_LISTED:
            values.append(value)
