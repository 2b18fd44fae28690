"""Undoes merges: restores the merged customer and moves back the rows that IdentityMerge recorded."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _
from psycopg import sql

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.locking import lock_identities
from customers.identity.merging.merge import (
    CONFLICTS_LABEL,
    IDENTITY_MODELS,
    MERGES_LABEL,
    WRITE_KEPT,
    MergeError,
    combine_times,
    ensure_traits,
    lock_rows,
)
from customers.identity.merging.row_moves import restore_rows
from customers.identity.models import Customer, IdentityConflict, IdentityMerge
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from customers.identity.personal_data.sealed_traits import unseal_traits
from customers.identity.signals import merge_reverted

RESTORE_MERGES = """
UPDATE identity_identitymerge SET kept_id = %(merged)s WHERE id = ANY(%(ids)s) AND kept_id = %(kept)s
"""


def revert_merge(*, merge_id: int, at: datetime, by: str) -> None:
    """Move back everything that a merge moved; later rows stay with the kept customer.

    No event merges the two customers again afterwards, but a user can.

    Raises:
        MergeError: the merge does not exist, was already undone, or is part of a later one that must be undone first.
    """
    with transaction.atomic():
        lock_identities()
        merge = find_revertible(merge_id)
        rows = lock_rows([merge.kept_id])
        restore_customer(merge, rows[merge.kept_id])
        moved = [(merge.kept_id, merge.merged_id, merge.moved["rows"])]
        restore_rows(models=IDENTITY_MODELS, merges=moved)
        restore_merges(merge)
        restore_conflicts(merge)
        merge_reverted.send(sender=IdentityMerge, merges=moved, at=at)
        merge.reverted_at, merge.reverted_by = at, by[:100]
        merge.save(update_fields=["reverted_at", "reverted_by"])
        refresh_consent_denials(customer_ids=[merge.kept_id, merge.merged_id])


def preview_revert(*, merge_id: int, at: datetime) -> dict[str, int]:
    """Return how many rows of each model (by label) would move back: the merge is undone, and that rolled back.

    Raises:
        MergeError: as in revert_merge.
    """
    with transaction.atomic():
        revert_merge(merge_id=merge_id, at=at, by="preview")
        merge = IdentityMerge.objects.get(pk=merge_id)
        counts = {
            relation.related_model._meta.label_lower: count_rows(relation, [merge.merged_id]).get(merge.merged_id, 0)
            for relation in Customer._meta.related_objects
        }
        transaction.set_rollback(True)
    return {label: count for label, count in counts.items() if count}


def count_rows(relation: Any, ids: Sequence[int]) -> dict[int, int]:
    """Return the number of rows of a related model for each customer."""
    name = relation.field.name
    rows = relation.related_model._default_manager.filter(**{f"{name}__in": ids}).order_by()
    return dict(rows.values_list(name).annotate(Count("pk")))


def find_revertible(merge_id: int) -> IdentityMerge:
    """Lock and return a merge that can be undone. Raises MergeError."""
    merge = IdentityMerge.objects.select_for_update().filter(pk=merge_id).first()
    if merge is None:
        raise MergeError("not_found", _("Merge %(id)d does not exist.") % {"id": merge_id})
    if merge.reverted_at is not None:
        raise MergeError("already_reverted", _("Merge %(id)d was already undone.") % {"id": merge_id})
    later = find_enclosing_merge(merge)
    if later is not None:
        raise MergeError(
            "inside_later_merge",
            _("Merge %(id)d is part of the later merge %(later)d (#%(merged)d into #%(kept)d); undo that one first.")
            % {"id": merge_id, "later": later.pk, "merged": later.merged_id, "kept": later.kept_id},
            later.kept_id,
        )
    if not {"customer", "before", "filled", "filled_traits", "rows"} <= merge.moved.keys():
        raise MergeError(
            "incomplete", _("Merge %(id)d has no record of the moved data and cannot be undone.") % {"id": merge_id}
        )
    if Customer.objects.filter(pk=merge.merged_id).exists():
        message = _("Customer #%(id)d already exists.") % {"id": merge.merged_id}
        raise MergeError("exists", message, merge.merged_id)
    return merge


def find_enclosing_merge(merge: IdentityMerge) -> IdentityMerge | None:
    """Return the later merge, not undone, that moved this one along with its kept customer."""
    later = IdentityMerge.objects.filter(kept_id=merge.kept_id, pk__gt=merge.pk, reverted_at=None)
    return later.filter(moved__contains={"rows": {MERGES_LABEL: [merge.pk]}}).order_by("-pk").first()


def restore_customer(merge: IdentityMerge, kept: dict[str, Any]) -> None:
    """Insert the merged customer again, and clear the fields that the merge filled unless they have changed since.

    Personal values are compared in plain text, because the same value has another ciphertext after each write.
    """
    moved = merge.moved
    for name, text in moved["filled"].items():
        if is_same_text(name, kept[name], text):
            kept[name] = ""
            kept["field_updated_at"].pop(name, None)
    for name, value in moved["filled_traits"].items():
        if unseal_traits({name: ensure_traits(kept).get(name)}) == unseal_traits({name: value}):
            del kept["traits"][name]
            kept["field_updated_at"].pop(f"traits.{name}", None)
    restore_times(merge, kept)
    names = [sql.Identifier(name) for name in moved["customer"]]
    insert = sql.SQL(
        "INSERT INTO identity_customer ({names}) SELECT {names} FROM jsonb_populate_record(NULL::identity_customer, %s::jsonb)"
    ).format(names=sql.SQL(", ").join(names))
    with connection.cursor() as cursor:
        cursor.execute(WRITE_KEPT, [json.dumps([kept])])
        cursor.execute(insert, [json.dumps(moved["customer"])])


def restore_times(merge: IdentityMerge, kept: dict[str, Any]) -> None:
    """Take the merged customer's times out of those of the kept one.

    Later merges into the kept customer recorded times that this merge had changed: they get the ones without it, so that undoing them too
    does not bring the merged customer's times back.
    """
    later = list_later_merges(merge)
    changed: dict[int, IdentityMerge] = {}
    for name, time_before in merge.moved["before"].items():
        taken, own = merge.moved["customer"][name], time_before
        for other in later:
            if other.moved["before"].get(name) == taken:
                other.moved["before"][name] = own
                changed[other.pk] = other
                own = combine_times(name, own, other.moved["customer"][name])
        if kept[name] == taken:
            kept[name] = own
    IdentityMerge.objects.bulk_update(changed.values(), ["moved"])


def list_later_merges(merge: IdentityMerge) -> list[IdentityMerge]:
    """Lock and return the later merges into the kept customer in their order, without those that one of them moved along."""
    merges = IdentityMerge.objects.filter(kept_id=merge.kept_id, pk__gt=merge.pk, reverted_at=None)
    later = list(merges.order_by("pk").select_for_update())
    moved_along = {pk for other in later for pk in other.moved.get("rows", {}).get(MERGES_LABEL, ())}
    return [other for other in later if other.pk not in moved_along and {"customer", "before"} <= other.moved.keys()]


def is_same_text(name: str, first: str, second: str) -> bool:
    """Return whether two stored values of a field are the same text; those that cannot be decrypted are not."""
    if first == second:
        return True
    if name not in PERSONAL_FIELDS or not first or not second:
        return False
    try:
        return decrypt(first) == decrypt(second)
    except UnreadableFieldError:
        return False


def restore_merges(merge: IdentityMerge) -> None:
    """Move earlier merges back to the restored customer."""
    ids = merge.moved["rows"].get(MERGES_LABEL, [])
    with connection.cursor() as cursor:
        cursor.execute(RESTORE_MERGES, {"ids": ids, "kept": merge.kept_id, "merged": merge.merged_id})


def restore_conflicts(merge: IdentityMerge) -> None:
    """Restore conflicts with the customers added since; a conflict that the merge resolved is reopened."""
    before = {row["id"]: row for row in merge.moved["rows"].get(CONFLICTS_LABEL, [])}
    conflicts = list(IdentityConflict.objects.filter(pk__in=before).select_for_update())
    for conflict in conflicts:
        earlier = before[conflict.pk]
        conflict.customer_ids = list(dict.fromkeys([*earlier["customer_ids"], *conflict.customer_ids]))
        if conflict.resolution == IdentityConflict.Resolution.MERGED:
            conflict.status, conflict.resolution, conflict.resolved_at, conflict.resolved_by = (
                earlier["status"],
                "",
                None,
                "",
            )
    fields = ["customer_ids", "status", "resolution", "resolved_at", "resolved_by"]
    IdentityConflict.objects.bulk_update(conflicts, fields, batch_size=500)
