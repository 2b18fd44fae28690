"""Merges customers: their rows move to the kept customer, then the merged customer is deleted.

No other query has to know about merges. What moved, and the merged customer's own fields (personal ones as ciphertext), is saved
in IdentityMerge, from which ``revert.py`` can undo the merge.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.locking import lock_identities
from customers.identity.merging.row_moves import move_rows
from customers.identity.models import Consent, Identifier, IdentityConflict, IdentityMerge, ProcessingRestriction
from customers.identity.signals import customers_merged

TEXT_FIELDS = ("name", "email", "phone", "birthday", "language", "country")
IDENTITY_MODELS = (Identifier, Consent, ProcessingRestriction)
# the times of a customer, and which of two the kept customer gets
TIME_CHOICES: Mapping[str, Callable[..., str]] = {"created_at": min, "first_seen_at": min, "last_seen_at": max}
MAX_ATTEMPTS = 5
FOREIGN_KEY_VIOLATION = "23503"

# locked in the order of ids, like every other writer, to avoid deadlocks
LOCK_ROWS = """
SELECT to_jsonb(customer)::text FROM identity_customer AS customer WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
WRITE_KEPT = """
UPDATE identity_customer AS customer
SET name = row.name, email = row.email, phone = row.phone, birthday = row.birthday, language = row.language,
    country = row.country, traits = row.traits, field_updated_at = row.field_updated_at, created_at = row.created_at,
    first_seen_at = row.first_seen_at, last_seen_at = row.last_seen_at
FROM jsonb_populate_recordset(NULL::identity_customer, %s::jsonb) AS row
WHERE customer.id = row.id
"""
MOVE_MERGES = """
UPDATE identity_identitymerge AS row SET kept_id = pair.kept
FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged)
WHERE row.kept_id = pair.merged
RETURNING pair.merged, row.id
"""
MERGES_LABEL = IdentityMerge._meta.label_lower
CONFLICTS_LABEL = IdentityConflict._meta.label_lower


class MergeError(ValueError):
    """Customers cannot be merged, or a merge cannot be undone."""

    def __init__(self, code: str, message: str, customer_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.customer_id = customer_id


@dataclass(slots=True)
class MergeRecord:
    """Everything one merge changes, saved so that it can be undone."""

    kept: int
    merged: int
    customer: dict[str, Any]  # the merged customer's row
    before: dict[str, Any]  # the kept customer's times before the merge
    # fields of the kept customer that were empty, with their new values
    filled: dict[str, str] = field(default_factory=dict)
    filled_traits: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, list[Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``IdentityMerge.moved``."""
        return {
            "customer": self.customer,
            "before": self.before,
            "filled": self.filled,
            "filled_traits": self.filled_traits,
            "rows": self.rows,
        }


def merge_customers(*, pairs: Sequence[tuple[int, int]], at: datetime, causes: Sequence[str]) -> list[int]:
    """Merge the second customer of each pair into the first; return the ids of the IdentityMerge rows in order.

    Args:
        pairs: a customer can be merged only once, and cannot be kept in another pair.
        causes: for each pair, a message id or the user who did it.

    Raises:
        MergeError: names the customer that cannot be merged; nothing is changed then.
    """
    if not pairs:
        return []
    with transaction.atomic():
        lock_identities()
        for _attempt in range(MAX_ATTEMPTS - 1):
            try:
                with transaction.atomic():
                    return merge_pairs(pairs, at, causes)
            except IntegrityError as error:
                # another transaction added a row for a merged customer after we moved its rows: the next attempt moves it too
                if getattr(error.__cause__, "sqlstate", "") != FOREIGN_KEY_VIOLATION:
                    raise
        return merge_pairs(pairs, at, causes)


def preview_merge(*, kept_id: int, merged_id: int, at: datetime) -> dict[str, Any]:
    """Return what a merge would move, as in ``IdentityMerge.moved``: it is executed and rolled back.

    Raises:
        MergeError: as in merge_customers.
    """
    with transaction.atomic():
        [merge_id] = merge_customers(pairs=[(kept_id, merged_id)], at=at, causes=["preview"])
        moved = IdentityMerge.objects.get(pk=merge_id).moved
        transaction.set_rollback(True)
    return moved


def count_moved(moved: Mapping[str, Any]) -> dict[str, int]:
    """Return how many rows of each model (by label) a merge moves."""
    rows = sorted(moved.get("rows", {}).items())
    return {label: len(ids) for label, ids in rows if is_model_label(label) and label != CONFLICTS_LABEL}


def is_model_label(label: str) -> bool:
    """Return whether a label names a model; receivers also record other changes under labels of their own."""
    try:
        apps.get_model(label)
    except LookupError:
        return False
    return True


def merge_pairs(pairs: Sequence[tuple[int, int]], at: datetime, causes: Sequence[str]) -> list[int]:
    """Make one attempt to merge all pairs."""
    records = merge_fields(pairs)
    move_identity_rows(records)
    move_rows_of_other_apps(records, at)
    merges = IdentityMerge.objects.bulk_create(
        IdentityMerge(kept_id=record.kept, merged_id=record.merged, at=at, cause=cause[:100], moved=record.to_json())
        for record, cause in zip(records, causes, strict=True)
    )
    with connection.cursor() as cursor:
        # a row that still refers to a merged customer stops the merge here; a cascade would delete it
        cursor.execute("DELETE FROM identity_customer WHERE id = ANY(%s)", [[record.merged for record in records]])
        # Foreign keys are checked at the commit by default. Checking them here raises the error inside the savepoint of
        # merge_customers, which can then try again.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    refresh_consent_denials(customer_ids=[record.kept for record in records])
    return [merge.pk for merge in merges]


def merge_fields(pairs: Sequence[tuple[int, int]]) -> list[MergeRecord]:
    """Lock the customers and fill the empty fields of the kept ones; existing values stay."""
    check_pairs(pairs)
    rows = lock_rows({customer_id for pair in pairs for customer_id in pair})
    for customer_id in (customer_id for pair in pairs for customer_id in pair):
        if customer_id not in rows:
            message = _("Customer #%(id)d no longer exists.") % {"id": customer_id}
            raise MergeError("not_found", message, customer_id)
        if rows[customer_id]["erased_at"] is not None:
            message = _("Customer #%(id)d was erased and cannot be merged.") % {"id": customer_id}
            raise MergeError("erased", message, customer_id)
    records = [merge_row(rows[kept], rows[merged]) for kept, merged in pairs]
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE_KEPT, [json.dumps([rows[kept] for kept in dict.fromkeys(kept for kept, _merged in pairs)])]
        )
    return records


def check_pairs(pairs: Sequence[tuple[int, int]]) -> None:
    """Raise MergeError if a customer is merged twice, or kept and merged at once."""
    kept, merged = {pair[0] for pair in pairs}, [pair[1] for pair in pairs]
    for customer_id in merged:
        if customer_id in kept:
            message = _("Customer #%(id)d cannot be merged into itself.") % {"id": customer_id}
            raise MergeError("kept_and_merged", message, customer_id)
        if merged.count(customer_id) > 1:
            message = _("Customer #%(id)d cannot be merged twice.") % {"id": customer_id}
            raise MergeError("merged_twice", message, customer_id)


def lock_rows(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Lock customers and return their rows as JSON, personal fields as ciphertext."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_ROWS, [sorted(ids)])
        rows = [json.loads(row) for (row,) in cursor.fetchall()]
    return {row["id"]: row for row in rows}


def merge_row(kept: dict[str, Any], merged: dict[str, Any]) -> MergeRecord:
    """Fill the empty fields of ``kept`` in place; return the record of it."""
    before = {name: kept[name] for name in TIME_CHOICES}
    record = MergeRecord(kept["id"], merged["id"], dict(merged), before)
    for name in TEXT_FIELDS:
        if merged[name] and not kept[name]:
            record.filled[name] = kept[name] = merged[name]
            copy_update_time(kept, merged, name)
    for name, value in ensure_traits(merged).items():
        if name not in ensure_traits(kept):
            record.filled_traits[name] = kept["traits"][name] = value
            copy_update_time(kept, merged, f"traits.{name}")
    for name in TIME_CHOICES:
        kept[name] = combine_times(name, kept[name], merged[name])
    return record


def combine_times(name: str, *times: str | None) -> str | None:
    """Return the time that a customer gets from the times of two: the earliest or the latest one that is known."""
    known = [time for time in times if time is not None]
    return TIME_CHOICES[name](known, key=datetime.fromisoformat) if known else None


def ensure_traits(row: dict[str, Any]) -> dict[str, Any]:
    """Return the traits as an object; a user may have entered something else in the back office."""
    if not isinstance(row["traits"], dict):
        row["traits"] = {}
    return row["traits"]


def copy_update_time(kept: dict[str, Any], merged: dict[str, Any], name: str) -> None:
    if name in merged["field_updated_at"]:
        kept["field_updated_at"][name] = merged["field_updated_at"][name]


def move_identity_rows(records: Sequence[MergeRecord]) -> None:
    """Move identifiers, consents, earlier merges into the merged customers, and conflicts that name them."""
    records_by_merged = {record.merged: record for record in records}
    pairs = [(record.kept, record.merged) for record in records]
    for merged, rows in move_rows(models=IDENTITY_MODELS, pairs=pairs).items():
        records_by_merged[merged].rows |= rows
    with connection.cursor() as cursor:
        cursor.execute(MOVE_MERGES, {"kept": [record.kept for record in records], "merged": list(records_by_merged)})
        for merged, merge_id in cursor.fetchall():
            records_by_merged[merged].rows.setdefault(MERGES_LABEL, []).append(merge_id)
    move_conflicts(records_by_merged)


def move_conflicts(records_by_merged: Mapping[int, MergeRecord]) -> None:
    """Replace the merged customers in conflicts; a conflict that has one customer left is resolved."""
    conflicts = list(IdentityConflict.objects.filter(customer_ids__overlap=list(records_by_merged)).select_for_update())
    for conflict in conflicts:
        before: dict[str, Any] = {
            "id": conflict.pk,
            "customer_ids": conflict.customer_ids,
            "status": conflict.status,
        }
        merged_ids = [customer_id for customer_id in conflict.customer_ids if customer_id in records_by_merged]
        records_by_merged[merged_ids[0]].rows.setdefault(CONFLICTS_LABEL, []).append(before)
        replaced = (
            records_by_merged[customer_id].kept if customer_id in records_by_merged else customer_id
            for customer_id in conflict.customer_ids
        )
        conflict.customer_ids = list(dict.fromkeys(replaced))
        if len(conflict.customer_ids) == 1 and len(before["customer_ids"]) > 1 and not conflict.resolution:
            conflict.status = IdentityConflict.Status.RESOLVED
            conflict.resolution = IdentityConflict.Resolution.MERGED
    IdentityConflict.objects.bulk_update(conflicts, ["customer_ids", "status", "resolution"], batch_size=500)


def move_rows_of_other_apps(records: Sequence[MergeRecord], at: datetime) -> None:
    """Send ``customers_merged`` and record what the receivers moved."""
    records_by_merged = {record.merged: record for record in records}
    pairs = [(record.kept, record.merged) for record in records]
    responses: list[tuple[Any, Any]] = customers_merged.send(sender=IdentityMerge, pairs=pairs, at=at)
    for _receiver, moved in responses:
        for merged, rows in (moved or {}).items():
            records_by_merged[merged].rows |= rows
