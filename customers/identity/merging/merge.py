"""Folds customers into one another, and undoes it.

The folded customer's rows move, then the customer is deleted: every query goes on without knowing of merges. What moved, and
the customer's own fields (personal ones as the ciphertext they are), stand in IdentityMerge.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _
from psycopg import sql

from customers.identity.consent.consent_denials import rewrite_refusals
from customers.identity.locking import lock_identities
from customers.identity.merging.row_moves import give_back_rows, move_rows
from customers.identity.models import Consent, Customer, Identifier, IdentityConflict, IdentityMerge
from customers.identity.signals import customers_merged, merge_reverted

TEXTS = ("name", "email", "phone", "birthday", "language", "country")
OWN_MODELS = (Identifier, Consent)
MOST_TRIES = 5
FOREIGN_KEY_VIOLATION = "23503"

ROWS = """
SELECT to_jsonb(customer)::text FROM identity_customer AS customer WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
WRITE_KEPT = """
UPDATE identity_customer AS customer
SET name = row.name, email = row.email, phone = row.phone, birthday = row.birthday, language = row.language,
    country = row.country, traits = row.traits, told_at = row.told_at, created_at = row.created_at,
    first_seen_at = row.first_seen_at, last_seen_at = row.last_seen_at
FROM jsonb_populate_recordset(NULL::identity_customer, %s::jsonb) AS row
WHERE customer.id = row.id
"""
MOVE_MERGES = """
UPDATE identity_identitymerge AS row SET kept_id = pair.kept
FROM unnest(%(kept)s::bigint[], %(folded)s::bigint[]) AS pair (kept, folded)
WHERE row.kept_id = pair.folded
RETURNING pair.folded, row.id
"""
GIVE_BACK_MERGES = """
UPDATE identity_identitymerge SET kept_id = %(folded)s WHERE id = ANY(%(ids)s) AND kept_id = %(kept)s
"""
MERGES_LABEL = IdentityMerge._meta.label_lower
CONFLICTS_LABEL = IdentityConflict._meta.label_lower


class MergeError(ValueError):
    """Why customers can't be merged, or a merge not be undone."""

    def __init__(self, code: str, message: str, customer_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.customer_id = customer_id


@dataclass(slots=True)
class Folding:
    """What one merge does, for the row that can undo it."""

    kept: int
    folded: int
    customer: dict[str, Any]  # the folded customer's row
    before: dict[str, Any]  # moments of the kept customer
    filled: dict[str, str] = field(default_factory=dict)  # empty fields of the kept customer, with what they hold now
    filled_traits: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, list[Any]] = field(default_factory=dict)

    def as_moved(self) -> dict[str, Any]:
        return {
            "customer": self.customer,
            "before": self.before,
            "filled": self.filled,
            "filled_traits": self.filled_traits,
            "rows": self.rows,
        }


def merge_customers(*, pairs: Sequence[tuple[int, int]], at: datetime, causes: Sequence[str]) -> list[int]:
    """Folds the second customer of each pair into the first; the ids of the IdentityMerge rows, in the pairs' order.

    Args:
        pairs: nobody is folded twice, and nobody who is folded is kept in another pair.
        causes: of each pair, a message id or who did it.

    Raises:
        MergeError: names the customer who can't be merged; then nothing is.
    """
    if not pairs:
        return []
    with transaction.atomic():
        lock_identities()
        for _attempt in range(MOST_TRIES - 1):
            try:
                with transaction.atomic():
                    return fold(pairs, at, causes)
            except IntegrityError as error:
                # somebody wrote a fact about a folded customer since we moved theirs: it moves with the next attempt
                if getattr(error.__cause__, "sqlstate", "") != FOREIGN_KEY_VIOLATION:
                    raise
        return fold(pairs, at, causes)


def preview_merge(*, kept_id: int, folded_id: int, at: datetime) -> dict[str, Any]:
    """What a merge would do, as IdentityMerge.moved says it afterwards: it is made and taken back.

    Errors: as merge_customers.
    """
    with transaction.atomic():
        [merge_id] = merge_customers(pairs=[(kept_id, folded_id)], at=at, causes=["preview"])
        moved = IdentityMerge.objects.get(pk=merge_id).moved
        transaction.set_rollback(True)
    return moved


def count_moved(moved: Mapping[str, Any]) -> dict[str, int]:
    """How many rows of each model (its label) a merge moves."""
    rows = sorted(moved.get("rows", {}).items())
    return {label: len(ids) for label, ids in rows if is_model(label) and label != CONFLICTS_LABEL}


def is_model(label: str) -> bool:
    """Rooms also write down what they did besides moving."""
    try:
        apps.get_model(label)
    except LookupError:
        return False
    return True


def fold(pairs: Sequence[tuple[int, int]], at: datetime, causes: Sequence[str]) -> list[int]:
    foldings = fold_fields(pairs)
    move_own(foldings)
    tell_other_rooms(foldings, at)
    merges = IdentityMerge.objects.bulk_create(
        IdentityMerge(kept_id=one.kept, folded_id=one.folded, at=at, cause=cause[:100], moved=one.as_moved())
        for one, cause in zip(foldings, causes, strict=True)
    )
    with connection.cursor() as cursor:
        # what still refers to a folded customer stops the merge here, where a cascade would lose it
        cursor.execute("DELETE FROM identity_customer WHERE id = ANY(%s)", [[one.folded for one in foldings]])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    rewrite_refusals(customer_ids=[one.kept for one in foldings])
    return [merge.pk for merge in merges]


def fold_fields(pairs: Sequence[tuple[int, int]]) -> list[Folding]:
    """Locks the customers and fills the kept ones' gaps: what they have stays."""
    check_pairs(pairs)
    rows = lock_rows({customer_id for pair in pairs for customer_id in pair})
    for customer_id in (customer_id for pair in pairs for customer_id in pair):
        if customer_id not in rows:
            message = _("There is no customer #%(id)d any more.") % {"id": customer_id}
            raise MergeError("not_found", message, customer_id)
        if rows[customer_id]["erased_at"] is not None:
            message = _("Customer #%(id)d was erased and can't be merged.") % {"id": customer_id}
            raise MergeError("erased", message, customer_id)
    foldings = [fold_row(rows[kept], rows[folded]) for kept, folded in pairs]
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE_KEPT, [json.dumps([rows[kept] for kept in dict.fromkeys(kept for kept, _folded in pairs)])]
        )
    return foldings


def check_pairs(pairs: Sequence[tuple[int, int]]) -> None:
    kept, folded = {pair[0] for pair in pairs}, [pair[1] for pair in pairs]
    for customer_id in folded:
        if customer_id in kept:
            message = _("Customer #%(id)d can't be kept and folded at once.") % {"id": customer_id}
            raise MergeError("kept_and_folded", message, customer_id)
        if folded.count(customer_id) > 1:
            message = _("Customer #%(id)d can't be folded twice.") % {"id": customer_id}
            raise MergeError("folded_twice", message, customer_id)


def lock_rows(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Whole rows as JSON, personal fields as ciphertext."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [sorted(ids)])
        rows = [json.loads(row) for (row,) in cursor.fetchall()]
    return {row["id"]: row for row in rows}


def fold_row(kept: dict[str, Any], folded: dict[str, Any]) -> Folding:
    """Changes ``kept`` in place."""
    before = {name: kept[name] for name in ("created_at", "first_seen_at", "last_seen_at")}
    folding = Folding(kept["id"], folded["id"], dict(folded), before)
    for name in TEXTS:
        if folded[name] and not kept[name]:
            folding.filled[name] = kept[name] = folded[name]
            take_moment(kept, folded, name)
    for name, value in traits_of(folded).items():
        if name not in traits_of(kept):
            folding.filled_traits[name] = kept["traits"][name] = value
            take_moment(kept, folded, f"traits.{name}")
    kept["created_at"] = min(kept["created_at"], folded["created_at"], key=datetime.fromisoformat)
    for name, choose in (("first_seen_at", min), ("last_seen_at", max)):
        moments = [row[name] for row in (kept, folded) if row[name] is not None]
        kept[name] = choose(moments, key=datetime.fromisoformat) if moments else None
    return folding


def traits_of(row: dict[str, Any]) -> dict[str, Any]:
    """What somebody has typed in the back office may be no object."""
    if not isinstance(row["traits"], dict):
        row["traits"] = {}
    return row["traits"]


def take_moment(kept: dict[str, Any], folded: dict[str, Any], name: str) -> None:
    if name in folded["told_at"]:
        kept["told_at"][name] = folded["told_at"][name]


def move_own(foldings: Sequence[Folding]) -> None:
    """Identifiers, consents, earlier merges into the folded customers, conflicts that name them."""
    of_folded = {one.folded: one for one in foldings}
    pairs = [(one.kept, one.folded) for one in foldings]
    for folded, rows in move_rows(models=OWN_MODELS, pairs=pairs).items():
        of_folded[folded].rows |= rows
    with connection.cursor() as cursor:
        cursor.execute(MOVE_MERGES, {"kept": [one.kept for one in foldings], "folded": list(of_folded)})
        for folded, merge_id in cursor.fetchall():
            of_folded[folded].rows.setdefault(MERGES_LABEL, []).append(merge_id)
    move_conflicts(of_folded)


def move_conflicts(of_folded: Mapping[int, Folding]) -> None:
    conflicts = list(IdentityConflict.objects.filter(customer_ids__overlap=list(of_folded)).select_for_update())
    for conflict in conflicts:
        before: dict[str, Any] = {
            "id": conflict.pk,
            "customer_ids": conflict.customer_ids,
            "status": conflict.status,
        }
        named = [one for one in conflict.customer_ids if one in of_folded]
        of_folded[named[0]].rows.setdefault(CONFLICTS_LABEL, []).append(before)
        renamed = (of_folded[one].kept if one in of_folded else one for one in conflict.customer_ids)
        conflict.customer_ids = list(dict.fromkeys(renamed))
        if len(conflict.customer_ids) == 1 and len(before["customer_ids"]) > 1 and not conflict.resolution:
            conflict.status = IdentityConflict.Status.RESOLVED
            conflict.resolution = IdentityConflict.Resolution.MERGED
    IdentityConflict.objects.bulk_update(conflicts, ["customer_ids", "status", "resolution"], batch_size=500)


def tell_other_rooms(foldings: Sequence[Folding], at: datetime) -> None:
    of_folded = {one.folded: one for one in foldings}
    pairs = [(one.kept, one.folded) for one in foldings]
    answers: list[tuple[Any, Any]] = customers_merged.send(sender=IdentityMerge, pairs=pairs, at=at)
    for _receiver, moved in answers:
        for folded, rows in (moved or {}).items():
            of_folded[folded].rows |= rows


def revert_merge(*, merge_id: int, at: datetime, by: str) -> None:
    """Gives back everything that a merge moved; what came later stays with the kept customer.

    No event merges the two again afterwards, a person can.

    Raises:
        MergeError: the merge is not there, was undone already, or lies inside a later one that must be undone first.
    """
    with transaction.atomic():
        lock_identities()
        merge = find_revertible(merge_id)
        rows = lock_rows([merge.kept_id])
        give_back_own(merge, rows[merge.kept_id])
        moved = [(merge.kept_id, merge.folded_id, merge.moved["rows"])]
        give_back_rows(models=OWN_MODELS, merges=moved)
        give_back_merges(merge)
        give_back_conflicts(merge)
        merge_reverted.send(sender=IdentityMerge, merges=moved, at=at)
        merge.reverted_at, merge.reverted_by = at, by[:100]
        merge.save(update_fields=["reverted_at", "reverted_by"])
        rewrite_refusals(customer_ids=[merge.kept_id, merge.folded_id])


def preview_revert(*, merge_id: int, at: datetime) -> dict[str, int]:
    """How many rows of each model (its label) the folded customer would have again: it is undone, and that taken back.

    Errors: as revert_merge.
    """
    with transaction.atomic():
        revert_merge(merge_id=merge_id, at=at, by="preview")
        merge = IdentityMerge.objects.get(pk=merge_id)
        counts = {
            relation.related_model._meta.label_lower: count_rows(relation, [merge.folded_id]).get(merge.folded_id, 0)
            for relation in Customer._meta.related_objects
        }
        transaction.set_rollback(True)
    return {label: count for label, count in counts.items() if count}


def count_rows(relation: Any, ids: Sequence[int]) -> dict[int, int]:
    """Customer → how many rows of a model refer to them."""
    name = relation.field.name
    rows = relation.related_model._default_manager.filter(**{f"{name}__in": ids}).order_by()
    return dict(rows.values_list(name).annotate(Count("pk")))


def find_revertible(merge_id: int) -> IdentityMerge:
    merge = IdentityMerge.objects.select_for_update().filter(pk=merge_id).first()
    if merge is None:
        raise MergeError("not_found", _("There is no merge %(id)d.") % {"id": merge_id})
    if merge.reverted_at is not None:
        raise MergeError("already_reverted", _("Merge %(id)d was undone before.") % {"id": merge_id})
    later = merges_around(merge)
    if later is not None:
        raise MergeError(
            "inside_later_merge",
            _("Merge %(id)d lies inside the later merge %(later)d (#%(folded)d into #%(kept)d); undo that one first.")
            % {"id": merge_id, "later": later.pk, "folded": later.folded_id, "kept": later.kept_id},
            later.kept_id,
        )
    if not {"customer", "before", "filled", "filled_traits", "rows"} <= merge.moved.keys():
        raise MergeError("incomplete", _("Merge %(id)d does not say what it moved.") % {"id": merge_id})
    if Customer.objects.filter(pk=merge.folded_id).exists():
        message = _("There is a customer #%(id)d already.") % {"id": merge.folded_id}
        raise MergeError("exists", message, merge.folded_id)
    return merge


def merges_around(merge: IdentityMerge) -> IdentityMerge | None:
    """The later merge, not undone, that moved this one along with the customer it was folded into."""
    later = IdentityMerge.objects.filter(kept_id=merge.kept_id, pk__gt=merge.pk, reverted_at=None)
    return later.filter(moved__contains={"rows": {MERGES_LABEL: [merge.pk]}}).order_by("-pk").first()


def give_back_own(merge: IdentityMerge, kept: dict[str, Any]) -> None:
    """Makes the folded customer again, and empties what the merge filled unless somebody has filled it anew."""
    moved = merge.moved
    for name, text in moved["filled"].items():
        if kept[name] == text:
            kept[name] = ""
            kept["told_at"].pop(name, None)
    for name, value in moved["filled_traits"].items():
        if traits_of(kept).get(name) == value:
            del kept["traits"][name]
            kept["told_at"].pop(f"traits.{name}", None)
    for name, moment in moved["before"].items():
        if kept[name] == moved["customer"][name]:
            kept[name] = moment
    names = [sql.Identifier(name) for name in moved["customer"]]
    remake = sql.SQL(
        "INSERT INTO identity_customer ({names}) SELECT {names} FROM jsonb_populate_record(NULL::identity_customer, %s::jsonb)"
    ).format(names=sql.SQL(", ").join(names))
    with connection.cursor() as cursor:
        cursor.execute(WRITE_KEPT, [json.dumps([kept])])
        cursor.execute(remake, [json.dumps(moved["customer"])])


def give_back_merges(merge: IdentityMerge) -> None:
    ids = merge.moved["rows"].get(MERGES_LABEL, [])
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK_MERGES, {"ids": ids, "kept": merge.kept_id, "folded": merge.folded_id})


def give_back_conflicts(merge: IdentityMerge) -> None:
    """As they were, with those who came since; a decision that only the merge had brought is open again."""
    before = {row["id"]: row for row in merge.moved["rows"].get(CONFLICTS_LABEL, [])}
    conflicts = list(IdentityConflict.objects.filter(pk__in=before).select_for_update())
    for conflict in conflicts:
        known = before[conflict.pk]
        conflict.customer_ids = list(dict.fromkeys([*known["customer_ids"], *conflict.customer_ids]))
        if conflict.resolution == IdentityConflict.Resolution.MERGED:
            conflict.status, conflict.resolution, conflict.resolved_at, conflict.resolved_by = (
                known["status"],
                "",
                None,
                "",
            )
    fields = ["customer_ids", "status", "resolution", "resolved_at", "resolved_by"]
    IdentityConflict.objects.bulk_update(conflicts, fields, batch_size=500)
