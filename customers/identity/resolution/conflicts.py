"""What events said about who is who and was not believed: kept once for each thing in dispute, until a person decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from customers.identity.models import IdentityConflict
from customers.identity.resolution.resolution_rules import MOST_NAMED, Doubt, person_of

REASON = IdentityConflict.Reason
STATUS = IdentityConflict.Status
TAKEN_IN = ["at", "last_at", "identifiers", "customer_ids", "status", "resolution", "resolved_at", "resolved_by"]


@dataclass(slots=True)
class Dispute:
    """A doubt in stored terms."""

    reason: str
    cause: str
    first_at: datetime
    last_at: datetime
    identifiers: list[dict[str, str]] = field(default_factory=list)
    customer_ids: list[int] = field(default_factory=list)


def record_conflicts(*, doubts: Iterable[Doubt]) -> list[int]:
    """The ids of their rows. One who is new in a conflict that was resolved opens it again.

    The caller holds the lock of identity.
    """
    disputes: dict[str, Dispute] = {}
    for doubt in doubts:
        add_doubt(disputes, doubt)
    if not disputes:
        return []
    known = IdentityConflict.objects.in_bulk(list(disputes), field_name="fingerprint")
    changed = [conflict for key, conflict in known.items() if takes_in(conflict, disputes[key])]
    IdentityConflict.objects.bulk_update(changed, TAKEN_IN, batch_size=500)
    new = [
        IdentityConflict(
            fingerprint=key,
            reason=dispute.reason,
            cause=dispute.cause,
            at=dispute.first_at,
            last_at=dispute.last_at,
            identifiers=dispute.identifiers,
            customer_ids=dispute.customer_ids,
        )
        for key, dispute in disputes.items()
        if key not in known
    ]
    IdentityConflict.objects.bulk_create(new)
    return [conflict.pk for conflict in [*known.values(), *new]]


def add_doubt(disputes: dict[str, Dispute], doubt: Doubt) -> None:
    customers = list(dict.fromkeys(id_of for person in doubt.people if (id_of := person_of(person).id) is not None))
    if doubt.reason in (REASON.TWO_USER_IDS, REASON.UNDONE) and len(customers) < 2:
        return  # a later event of the same batch settled it
    key = fingerprint(doubt, customers)
    dispute = disputes.setdefault(
        key, Dispute(doubt.reason, doubt.trace.message_id[:100], doubt.first_at, doubt.last_at)
    )
    dispute.first_at = min(dispute.first_at, doubt.first_at)
    dispute.last_at = max(dispute.last_at, doubt.last_at)
    add_new(dispute.identifiers, [{"kind": kind, "value": value} for kind, value in doubt.keys])
    add_new(dispute.customer_ids, customers)


def fingerprint(doubt: Doubt, customers: Sequence[int]) -> str:
    """One for each identifier in dispute, for each customer who has too many of a kind, for each pair that was parted."""
    kind, value = doubt.keys[0]
    match doubt.reason:
        case REASON.LIMIT:
            parts = [doubt.reason, kind, *map(str, customers)]
        case REASON.UNDONE:
            parts = [doubt.reason, *map(str, sorted(customers))]
        case _:
            parts = [doubt.reason, kind, value]
    return sha256("\0".join(parts).encode()).hexdigest()


def takes_in(conflict: IdentityConflict, dispute: Dispute) -> bool:
    """Adds what is new to a stored conflict; whether anything was."""
    before = (conflict.at, conflict.last_at, len(conflict.customer_ids), len(conflict.identifiers))
    conflict.at = min(conflict.at, dispute.first_at)
    conflict.last_at = max(conflict.last_at, dispute.last_at)
    people = len(conflict.customer_ids)
    add_new(conflict.customer_ids, dispute.customer_ids)
    if len(conflict.customer_ids) > people:
        add_new(conflict.identifiers, dispute.identifiers)
        conflict.status, conflict.resolution, conflict.resolved_at, conflict.resolved_by = STATUS.OPEN, "", None, ""
    return before != (conflict.at, conflict.last_at, len(conflict.customer_ids), len(conflict.identifiers))


def add_new(known: list[Any], more: Sequence[Any]) -> None:
    """Appends what is not yet there, up to a number that a person can look through."""
    for one in more:
        if one not in known and len(known) < MOST_NAMED:
            known.append(one)
