"""Writes the records of a shop into catalog, customers and orders in sets, with the functions that imports and the REST API use."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus
from catalog.field_cleaning import clean_fields
from catalog.models import Product
from catalog.upsert import get_change_time, upsert_products
from config.foundation.shop.profile import get_shop
from customers.connectors.models import ShopConnection, ShopRecordKind, SyncDifference, SyncedRecord
from customers.connectors.platforms.base import MappedRecord
from customers.connectors.sync.comparison import describe_updates, read_customers, read_orders, read_products
from customers.connectors.sync.product_adjustments import adjust_product
from customers.identity.consent.ledger import record_changed_consents
from customers.identity.consent.proofs import ConsentProof
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.imports.customer_fields import build_cleaners
from customers.identity.models import Consent
from customers.identity.personal_data.chinese_names import join_name
from customers.identity.resolution.user_ids import find_customers_by_user_id
from customers.orders.cancellation import cancel_orders
from customers.orders.models import Order
from customers.orders.source_lock import lock_source
from customers.orders.upsert import upsert_orders

CUSTOMER_FIELDS = ("email", "phone", "language", "country")
ERASED = "erased"
MAX_REASONS = 10  # of one rejected record


@dataclass
class WriteResult:
    """What happened to the records of a page.

    differences: those that were rejected and, if ``compares``, those that were missing or different.
    """

    compares: bool = False

    counts: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    differences: list[SyncDifference] = field(default_factory=list)


def write_records(
    *,
    connection: ShopConnection,
    kind: str,
    records: Sequence[MappedRecord],
    at: datetime,
    dry_run: bool = False,
    compares: bool = False,
) -> WriteResult:
    """Write records in one transaction; if several have the same ID, the last one counts.

    dry_run: count, and write nothing. compares: list what was missing or different, too.
    """
    latest = {record.external_id: record for record in records}
    result = WriteResult(compares=compares)
    result.counts["seen"] = len(latest)
    wanted = [record for record in latest.values() if not record.is_skipped]
    result.counts["skipped"] = len(latest) - len(wanted)
    with transaction.atomic():
        skipped = [record.external_id for record in latest.values() if record.is_skipped]
        if skipped and kind == ShopRecordKind.ORDERS and (canceled := cancel_skipped(connection, skipped, at=at)):
            result.counts["deleted"] += canceled
        if wanted:
            WRITERS[ShopRecordKind(kind)](connection, wanted, result, at)
        if dry_run:
            transaction.set_rollback(True)
    return result


def write_products(
    connection: ShopConnection, records: Sequence[MappedRecord], result: WriteResult, at: datetime
) -> None:
    """Write the variants of products; variants that a product no longer has are deactivated."""
    at = get_change_time(at)
    items, owners = flatten_items(records)
    keys = [str(item.get("product_id", "")) for item in items]
    before = read_products(keys) if result.compares else {}
    written = upsert_products(items=items, at=at, currency=get_currency(connection))
    written = retry_adjusted(items, written, result, at=at, currency=get_currency(connection))
    deactivate_lost_variants(records, at=at)
    changes = describe_updates(read_products, keys, before, written) if result.compares else {}
    collect_outcomes(result, ShopRecordKind.PRODUCTS, written, owners, changes)


def retry_adjusted(
    items: list[Mapping[str, Any]], written: BulkResult, result: WriteResult, *, at: datetime, currency: str
) -> BulkResult:
    """Write the products again that were rejected for fields that can be adjusted or left out."""
    adjusted = {
        row.index: item
        for row in written.results
        if row.problems and (item := adjust_product(items[row.index], row.problems))
    }
    if not adjusted:
        return written
    second = upsert_products(items=list(adjusted.values()), at=at, currency=currency)
    results = list(written.results)
    for (index, item), row in zip(adjusted.items(), second.results, strict=True):
        items[index], results[index] = item, replace(row, index=index)
    result.counts["adjusted"] += sum(row.status is not ItemStatus.REJECTED for row in second.results)
    return BulkResult(tuple(results))


def deactivate_lost_variants(records: Sequence[MappedRecord], *, at: datetime) -> int:
    """Deactivate the variants in the catalog that their product no longer has."""
    parents = [record.external_id for record in records if record.is_group]
    known = [str(item["product_id"]) for record in records for item in record.items if item.get("product_id")]
    lost = Product.objects.active().filter(parent_id__in=parents).exclude(product_id__in=known)
    return lost.update(is_active=False, updated_at=at) if parents else 0


def write_customers(
    connection: ShopConnection, records: Sequence[MappedRecord], result: WriteResult, at: datetime
) -> None:
    """Write customers and their consents. A phone number that someone else has is left out."""
    cleaners = build_cleaners(at)
    changes: list[CustomerChange] = []
    owners: list[MappedRecord] = []
    for record in records:
        change, problems = build_customer(record.items[0], cleaners)
        if change is None:
            reject(result, ShopRecordKind.CUSTOMERS, record.external_id, problems)
        else:
            changes.append(change)
            owners.append(record)
    keys = [owner.external_id for owner in owners]
    before = read_customers(keys) if result.compares else {}
    written = upsert_customers(changes=changes, seen_at=at, widens_seen_times=False, links_addresses=True)
    written = retry_without_taken(changes, written, at=at)
    differing = describe_updates(read_customers, keys, before, written) if result.compares else {}
    collect_outcomes(result, ShopRecordKind.CUSTOMERS, written, keys, differing)
    write_consents(connection, owners, written, at=at)


def build_customer(
    item: Mapping[str, Any], cleaners: Mapping[str, Any]
) -> tuple[CustomerChange | None, list[FieldProblem]]:
    """Return the change of a customer; an invalid optional field is left out."""
    cleaned, problems = clean_fields(item, cleaners, frozenset())
    if problems:
        bad = {problem.field for problem in problems}
        if "user_id" in bad:
            return None, problems
        cleaned, _rest = clean_fields(
            {name: value for name, value in item.items() if name not in bad}, cleaners, frozenset()
        )
    if not cleaned.get("user_id") and not cleaned.get("email"):
        return None, problems or [FieldProblem("user_id", "required", "")]
    name = join_name(cleaned.get("first_name") or "", cleaned.get("last_name") or "")
    fields = {key: cleaned[key] for key in CUSTOMER_FIELDS if cleaned.get(key)} | ({"name": name} if name else {})
    tags = [tag.strip() for tag in cleaned.get("tags", "").split(",") if tag.strip()]
    return CustomerChange(cleaned.get("user_id", ""), fields, {"tags": tags} if tags else {}), problems


def retry_without_taken(changes: list[CustomerChange], written: BulkResult, *, at: datetime) -> BulkResult:
    """Write customers again without the phone number or address that belongs to someone else."""
    again = {
        item.index: {problem.field for problem in item.problems}
        for item in written.results
        if item.problems and all(problem.code == "taken" for problem in item.problems)
    }
    again = {index: names for index, names in again.items() if changes[index].user_id}
    if not again:
        return written
    for index, names in again.items():
        kept = {name: value for name, value in changes[index].fields.items() if name not in names}
        changes[index] = replace(changes[index], fields=kept)
    second = upsert_customers(changes=[changes[index] for index in again], seen_at=at, widens_seen_times=False)
    results = list(written.results)
    for index, item in zip(again, second.results, strict=True):
        results[index] = replace(item, index=index)
    return BulkResult(tuple(results))


def write_consents(
    connection: ShopConnection, records: Sequence[MappedRecord], written: BulkResult, *, at: datetime
) -> int:
    """Add the consents that differ to the ledger; the latest entry here wins until the shop changes its own."""
    accepted = [
        record
        for record, item in zip(records, written.results, strict=True)
        if record.consents and item.status is not ItemStatus.REJECTED
    ]
    if not accepted:
        return 0
    customers = find_customers_by_user_id(user_ids=[record.external_id for record in accepted])
    entries = [
        (customers[record.external_id], purpose, (Consent.Status.GRANTED if given else Consent.Status.WITHDRAWN).value)
        for record in accepted
        if record.external_id in customers
        for purpose, given in record.consents.items()
    ]
    source = connection.source.key
    return record_changed_consents(entries=entries, recorded_at=at, source=source, proof=ConsentProof("import", source))


def write_orders(
    connection: ShopConnection, records: Sequence[MappedRecord], result: WriteResult, at: datetime
) -> None:
    items, owners = flatten_items(records)
    keys = [str(item["order_id"]) for item in items]
    read = partial(read_orders, connection.source)
    before = read(keys) if result.compares else {}
    cancel_lost_returns(connection, records, at=at)
    # the connector has read the whole catalog: what it lacks was deleted, or is a tip or a custom line
    written = upsert_orders(
        items=items, source=connection.source, at=at, currency=get_currency(connection), creates_drafts=True
    )
    changes = describe_updates(read, keys, before, written) if result.compares else {}
    collect_outcomes(result, ShopRecordKind.ORDERS, written, owners, changes)


def cancel_lost_returns(connection: ShopConnection, records: Sequence[MappedRecord], *, at: datetime) -> int:
    """Cancel the returns that an order no longer has because their refund was deleted."""
    ids = [record.external_id for record in records]
    rows = SyncedRecord.objects.filter(connection=connection, kind=ShopRecordKind.ORDERS, external_id__in=ids)
    known = {
        local
        for local_ids in rows.filter(local_ids__1__isnull=False).values_list("local_ids", flat=True)
        for local in local_ids
    }
    lost = known - {str(item["order_id"]) for record in records for item in record.items}
    if not lost:
        return 0
    lock_source(connection.source)
    return cancel_orders(source=connection.source, order_ids=lost, at=at, kinds=[Order.Kind.RETURN])


def cancel_skipped(connection: ShopConnection, external_ids: Sequence[str], *, at: datetime) -> int:
    """Cancel the orders that were sales before, such as those whose lines were all removed; return their number."""
    stored = list_local_ids(connection, ShopRecordKind.ORDERS, external_ids)
    if not stored:
        return 0
    lock_source(connection.source)
    return cancel_orders(source=connection.source, order_ids=stored, at=at)


WRITERS = {
    ShopRecordKind.PRODUCTS: write_products,
    ShopRecordKind.CUSTOMERS: write_customers,
    ShopRecordKind.ORDERS: write_orders,
}


def flatten_items(records: Sequence[MappedRecord]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the items of all records, and the ID of the record of each."""
    pairs = [(item, record.external_id) for record in records for item in record.items]
    return [item for item, _owner in pairs], [owner for _item, owner in pairs]


def get_currency(connection: ShopConnection) -> str:
    return connection.currency or get_shop().currency


def collect_outcomes(
    result: WriteResult, kind: ShopRecordKind, written: BulkResult, owners: Sequence[str], changes: Mapping[int, str]
) -> None:
    """Count the outcomes of items, and list the records that were missing, different or rejected. changes: by the index of the item."""
    for item, owner in zip(written.results, owners, strict=True):
        if item.status is ItemStatus.REJECTED:
            reject(result, kind, owner, item.problems)
            continue
        result.counts[item.status.value] += 1
        if result.compares and item.status is not ItemStatus.UNCHANGED:
            is_new = item.status is ItemStatus.CREATED
            code = SyncDifference.Code.MISSING if is_new else SyncDifference.Code.DIFFERENT
            result.differences.append(
                SyncDifference(
                    kind=kind,
                    external_id=owner,
                    code=code,
                    detail="" if is_new else changes.get(item.index, ""),
                    is_repaired=True,
                )
            )


def reject(result: WriteResult, kind: ShopRecordKind, external_id: str, problems: Sequence[FieldProblem]) -> None:
    """Count a record that cannot be imported, with the reason; a record of an erased person is only counted."""
    if any(problem.code == ERASED for problem in problems):
        result.counts["erased"] += 1
        return
    result.counts["rejected"] += 1
    result.problems.update(f"{kind.value}: {problem.field}: {problem.code}" for problem in problems[:1])
    # the page shows a reason in the language of its reader; messages about customers contain personal values
    has_text = kind is not ShopRecordKind.CUSTOMERS
    reasons = [
        (problem.field, problem.code, problem.message[:300] if has_text else "") for problem in problems[:MAX_REASONS]
    ]
    detail = json.dumps(reasons, ensure_ascii=False)
    result.differences.append(
        SyncDifference(kind=kind, external_id=external_id, code=SyncDifference.Code.REJECTED, detail=detail)
    )


def delete_records(*, connection: ShopConnection, kind: str, external_ids: Sequence[str], at: datetime) -> int:
    """Follow the deletion of records in the shop; return how many changed here.

    Products are deactivated, since orders need them. Orders are cancelled. Customers stay with their orders, and their consents are withdrawn:
    requests for erasure arrive through the privacy webhooks or a privacy officer.
    """
    if not external_ids:
        return 0
    with transaction.atomic():
        if kind == ShopRecordKind.PRODUCTS:
            local = list_local_ids(connection, kind, external_ids)
            products = Product.objects.active().filter(product_id__in=local)
            return products.update(is_active=False, updated_at=get_change_time(at))
        if kind == ShopRecordKind.ORDERS:
            lock_source(connection.source)
            local = list_local_ids(connection, kind, external_ids)
            return cancel_orders(source=connection.source, order_ids=local, at=at)
        customers = find_customers_by_user_id(user_ids=list(external_ids))
        entries = [
            (customer, purpose, Consent.Status.WITHDRAWN.value)
            for customer in customers.values()
            for purpose in ("email", "sms")
        ]
        return record_changed_consents(
            entries=entries,
            recorded_at=at,
            source=connection.source.key,
            proof=ConsentProof("import", connection.source.key),
        )


def list_local_ids(connection: ShopConnection, kind: str, external_ids: Sequence[str]) -> list[str]:
    """Return our IDs of records: those of the variants of a product, else the same ID."""
    rows = SyncedRecord.objects.filter(connection=connection, kind=kind, external_id__in=external_ids)
    return [local for local_ids in rows.values_list("local_ids", flat=True) for local in local_ids]
